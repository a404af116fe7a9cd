/** The keys of the rows shown; a row's key changes when its finding does. */
export function rowKeys(root: ParentNode): Set<string> {
  return new Set([...root.querySelectorAll<HTMLElement>("tr[data-key]")].map((row) => row.dataset.key ?? ""));
}

/**
 * Puts list into results if it shows anything else than before, keeping the
 * keyboard focus, and returns what to announce: "" when nothing changed.
 */
export function showArrivals(results: HTMLElement, list: Element, before: Set<string>): string {
  const rows = [...list.querySelectorAll<HTMLElement>("tr[data-key]")];
  const arrived = rows.filter((row) => !before.has(row.dataset.key ?? ""));
  if (arrived.length === 0 && rows.length === before.size) return "";
  const focused = document.activeElement;
  const href = focused instanceof HTMLAnchorElement && results.contains(focused) ? focused.getAttribute("href") : null;
  for (const row of arrived) row.classList.add("new");
  results.replaceChildren(list);
  if (href) {
    [...results.querySelectorAll("a")].find((link) => link.getAttribute("href") === href)?.focus();
  }
  const summary = list.querySelector("[data-summary]")?.textContent ?? "";
  const count = arrived.length === 1 ? "1 finding arrived or was seen again" : `${arrived.length} findings arrived or were seen again`;
  return arrived.length ? `${count}. ${summary}.` : summary;
}
