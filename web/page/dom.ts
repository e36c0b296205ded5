// The few lines of DOM that the page needs everywhere.

/** The element with this id, which must be of this class: a wrong page is our bug. */
export function byId<T extends HTMLElement>(id: string, type: new () => T): T {
  const e = document.getElementById(id);
  if (!(e instanceof type)) throw new Error(`the page has no ${type.name} with id ${id}`);
  return e;
}

/** Makes an element with text and attributes. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  text = "",
  attributes: Record<string, string> = {},
): HTMLElementTagNameMap[K] {
  const e = document.createElement(tag);
  e.textContent = text;
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  return e;
}

/** 1234567 as "1.2 MB". */
export function megabytes(nBytes: number): string {
  return nBytes >= 1e9 ? `${(nBytes / 1e9).toFixed(2)} GB` : `${(nBytes / 1e6).toFixed(1)} MB`;
}
