"""A page of React components, which watch and start jobs by themselves."""
