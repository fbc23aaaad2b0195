/** The HTML of a URL of this origin, asked for with cookies; nodes that are in no document. Scripts in it do not run. */
export const fetchResult = async (src) => {
    const url = new URL(src, document.baseURI);
    if (url.origin !== location.origin)
        throw new Error(`${url} is of another origin`);
    // A redirect would lead to the login page, or out of this site.
    const options = { credentials: "same-origin", mode: "same-origin", redirect: "error" };
    const answer = await fetch(url, { ...options, headers: { Accept: "text/html" } });
    if (!answer.ok)
        throw new Error(`${url} answered ${answer.status}`);
    return [...new DOMParser().parseFromString(await answer.text(), "text/html").body.childNodes];
};
