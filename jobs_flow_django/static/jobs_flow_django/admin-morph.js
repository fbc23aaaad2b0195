/*
 * morph(present, wanted): makes an element of the page what the server has rendered, and changes only what differs.
 * So focus, selected text, scroll positions and what the reader has opened stay where they are.
 *
 * Elements are the same when tag, id and data-key are. `data-jf-keep`: a script looks after this element, leave it.
 */

const identity = (node) =>
  node.nodeType === Node.ELEMENT_NODE ? `${node.nodeName} ${node.id} ${node.dataset?.key ?? ""}` : node.nodeName;

const isBlank = (node) => node.nodeType === Node.TEXT_NODE && !node.data.trim();

/** Text that only grew is added to, and the end taken off what is ahead of a late answer: a selection in it stays. */
const morphText = (present, wanted) => {
  const [is, shall] = [present.data, wanted.data];
  if (is === shall) return;
  if (shall.startsWith(is)) present.appendData(shall.slice(is.length));
  else if (is.startsWith(shall)) present.deleteData(shall.length, is.length - shall.length);
  else present.data = shall;
};

const morphAttributes = (present, wanted) => {
  for (const { name, value } of [...wanted.attributes]) {
    if (name === "open" && present.nodeName === "DETAILS") continue;
    if (present.getAttribute(name) !== value) present.setAttribute(name, value);
  }
  for (const { name } of [...present.attributes]) {
    if (name === "open" && present.nodeName === "DETAILS") continue;
    if (!wanted.hasAttribute(name)) present.removeAttribute(name);
  }
};

const morphChildren = (present, wanted) => {
  const keyed = new Map();
  for (const child of present.children) if (child.id || child.dataset?.key) keyed.set(identity(child), child);
  const wantedKeys = new Set();
  for (const child of wanted.children) if (child.id || child.dataset?.key) wantedKeys.add(identity(child));
  let place = present.firstChild;
  for (const child of [...wanted.childNodes]) {
    const key = identity(child);
    while (place && isBlank(place) && !isBlank(child)) {
      const blank = place;
      place = place.nextSibling;
      blank.remove();
    }
    if (place && identity(place) === key) {
      morph(place, child);
      place = place.nextSibling;
      continue;
    }
    const known = keyed.get(key);
    if (known && known.parentNode === present) {
      // What stands before it and is not wanted any more goes, rather than it is moved: moving takes its focus.
      while (place && place !== known && !wantedKeys.has(identity(place))) {
        const gone = place;
        place = place.nextSibling;
        gone.remove();
      }
      if (place === known) place = place.nextSibling;
      else present.insertBefore(known, place);
      morph(known, child);
    } else {
      present.insertBefore(document.importNode(child, true), place);
    }
  }
  while (place) {
    const rest = place;
    place = place.nextSibling;
    rest.remove();
  }
};

export const morph = (present, wanted) => {
  if (present.nodeType !== Node.ELEMENT_NODE) return morphText(present, wanted);
  if (present.hasAttribute("data-jf-keep") || present.isEqualNode(wanted)) return;
  const isLog = present.classList.contains("jf-log");
  const atEnd = isLog && present.scrollTop + present.clientHeight >= present.scrollHeight - 8;
  morphAttributes(present, wanted);
  // What somebody types stays.
  if (present.nodeName !== "INPUT" && present.nodeName !== "TEXTAREA") morphChildren(present, wanted);
  if (atEnd) present.scrollTop = present.scrollHeight;
};
