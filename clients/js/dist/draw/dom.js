/** Elements are made once and changed where the state changed. Text goes in as text, never as HTML. */
/** make("div.line", {role: "status"}, child, …) */
export const make = (selector, attributes = {}, ...children) => {
    const [tag = "div", ...classes] = selector.split(".");
    const element = document.createElement(tag);
    if (classes.length)
        element.className = classes.join(" ");
    for (const [name, value] of Object.entries(attributes))
        element.setAttribute(name, value);
    element.append(...children);
    return element;
};
/** Show that text, or nothing of the element without one. */
export const setText = (element, text) => {
    if (element.textContent !== text)
        element.textContent = text;
    element.hidden = !text;
};
/** Have exactly these children, touching nothing where they are there already. */
export const setChildren = (parent, children) => {
    const present = parent.children;
    const same = children.length === present.length && children.every((child, i) => child === present[i]);
    if (!same)
        parent.replaceChildren(...children);
};
