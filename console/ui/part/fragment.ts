/** Says that the session has ended. */
export class SignedOut extends Error {}

/**
 * Loads a part of a page and returns its element. The browser parses the answer
 * as a document of its own, in which nothing runs, so no markup is ever built
 * from text here.
 */
export function loadFragment(url: string, name: string, signal: AbortSignal): Promise<Element> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", url);
    request.responseType = "document";
    request.setRequestHeader("X-Fragment", name);
    request.onload = () => {
      const element = request.responseXML?.body.firstElementChild;
      if (request.status === 401) reject(new SignedOut());
      else if (request.status !== 200 || !element) reject(new Error(`status ${request.status}`));
      else resolve(document.adoptNode(element));
    };
    request.onerror = () => reject(new Error("no answer"));
    request.onabort = () => reject(new DOMException("aborted", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send();
  });
}
