// What this browser keeps, as JSON: in localStorage for all tabs, in sessionStorage for this one. Storage can be full
// or off; the page works without it then, so that nothing here throws.

/** @typedef {'localStorage' | 'sessionStorage'} Where */

/** What is kept under a name; null when there is nothing, or storage is off. @param {Where} where @param {string} name @returns {any} */
export function readStorage(where, name) {
  try {
    return JSON.parse(window[where].getItem(name) ?? 'null');
  } catch {
    return null;
  }
}

/** Keeps a value under a name; null removes it. @param {Where} where @param {string} name @param {any} value */
export function writeStorage(where, name, value) {
  try {
    if (value === null) window[where].removeItem(name);
    else window[where].setItem(name, JSON.stringify(value));
  } catch {
    // Full or off.
  }
}

/** The names in localStorage that begin with a prefix. @param {string} prefix */
export function storedNames(prefix) {
  try {
    return Object.keys(localStorage).filter((name) => name.startsWith(prefix));
  } catch {
    return [];
  }
}
