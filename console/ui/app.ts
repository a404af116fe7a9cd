// The console's script. Every page works without it; it saves page loads and
// keystrokes. Each controller takes the elements with its name in
// data-controller.
import { CopyButton } from "./part/copy";
import { FindingsList } from "./findings/findings";

const controllers: Record<string, (element: HTMLElement) => unknown> = {
  copy: (element) => new CopyButton(element),
  list: (element) => new FindingsList(element as HTMLFormElement),
};

for (const element of document.querySelectorAll<HTMLElement>("[data-controller]")) {
  controllers[element.dataset.controller ?? ""]?.(element);
}
document.documentElement.dataset.script = "ready";
