import { loadFragment, SignedOut } from "../part/fragment";
import { rowKeys, showArrivals } from "./arrivals";

const typingPause = 300; // milliseconds without a key before the list follows
const pollEvery = 5000;

/** The list of findings: follows its filter form and shows what arrives. */
export class FindingsList {
  private readonly results = document.getElementById("results")!;
  private readonly live = document.querySelector<HTMLElement>("[data-live]")!;
  private readonly news = this.live.querySelector<HTMLElement>("[data-news]")!;
  private readonly pause = this.live.querySelector<HTMLElement>("[data-pause]")!;
  private typing = 0;
  private polling = 0;
  private loading = new AbortController();
  private paused = false;

  constructor(private readonly form: HTMLFormElement) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.follow(true);
    });
    form.addEventListener("change", () => void this.follow(true));
    form.addEventListener("input", (event) => {
      if (!(event.target instanceof HTMLInputElement)) return;
      clearTimeout(this.typing);
      this.typing = window.setTimeout(() => void this.follow(false), typingPause);
    });
    addEventListener("popstate", () => location.reload());
    this.pause.addEventListener("click", () => this.togglePause());
    this.live.hidden = false;
    this.tell("New findings appear by themselves.");
    this.schedule();
  }

  /** The address that the form stands for, without its empty fields. */
  private url(): string {
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(this.form)) {
      if (typeof value === "string" && value.trim()) query.set(name, value.trim());
    }
    return query.size ? `/findings?${query}` : "/findings";
  }

  private async follow(keep: boolean): Promise<void> {
    clearTimeout(this.typing);
    const url = this.url();
    if (url === location.pathname + location.search) return;
    if (keep) history.pushState(null, "", url);
    else history.replaceState(null, "", url);
    const list = await this.load(url);
    if (!list) return;
    this.results.replaceChildren(list);
    this.tell(list.querySelector("[data-summary]")?.textContent ?? "");
  }

  private async poll(): Promise<void> {
    const url = this.results.querySelector<HTMLElement>("[data-list]")?.dataset.poll;
    if (url && !this.paused && !document.hidden) {
      const before = rowKeys(this.results);
      const list = await this.load(url);
      if (list) this.tell(showArrivals(this.results, list, before));
    }
    this.schedule();
  }

  private schedule(): void {
    clearTimeout(this.polling);
    this.polling = window.setTimeout(() => void this.poll(), pollEvery);
  }

  /** Loads a list; undefined when a later wish came in between or it failed. */
  private async load(url: string): Promise<Element | undefined> {
    this.loading.abort();
    this.loading = new AbortController();
    try {
      return await loadFragment(url, "list", this.loading.signal);
    } catch (error) {
      if (error instanceof SignedOut) location.reload();
      else if (!(error instanceof DOMException)) this.tell("The server does not answer. Trying again.");
      return undefined;
    }
  }

  private togglePause(): void {
    this.paused = !this.paused;
    this.pause.setAttribute("aria-pressed", String(this.paused));
    this.tell(this.paused ? "Paused: new findings are not shown." : "New findings appear by themselves.");
  }

  private tell(words: string): void {
    if (words && this.news.textContent !== words) this.news.textContent = words;
  }
}
