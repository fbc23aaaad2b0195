/** Whether two JSON values are the same. */
export const same = (one, other) => {
    if (Object.is(one, other))
        return true;
    if (typeof one !== "object" || typeof other !== "object" || !one || !other)
        return false;
    if (Array.isArray(one) !== Array.isArray(other))
        return false;
    const names = Object.keys(one);
    if (names.length !== Object.keys(other).length)
        return false;
    return names.every((name) => same(one[name], other[name]));
};
