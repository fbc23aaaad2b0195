import { eventSource } from "./sse.js";
/** Where `jobs_flow_django.urls` is when nothing else is said. */
const HTTP_URL = "/jobs-flow/";
/** The client that `url` and `transport` of an element ask for, of those that the page shares. */
export const clientOf = (element, shared) => {
    const url = element.getAttribute("url") || undefined;
    if (element.getAttribute("transport") !== "http")
        return shared.for(url);
    return shared.for(url ?? HTTP_URL, { transport: eventSource });
};
