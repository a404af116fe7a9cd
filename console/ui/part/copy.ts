/**
 * A button that copies the text in its data-text, or what the address in its
 * data-url answers. It is shown only where the browser can copy.
 */
export class CopyButton {
  private readonly label: Node[];

  constructor(private readonly button: HTMLElement) {
    this.label = [...button.childNodes];
    if (!navigator.clipboard) return;
    button.hidden = false;
    button.addEventListener("click", () => void this.copy());
  }

  private async copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(await this.text());
      this.say("Copied");
    } catch {
      this.say("Not copied");
    }
  }

  private async text(): Promise<string> {
    const url = this.button.dataset.url;
    if (!url) return this.button.dataset.text ?? "";
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    return answer.text();
  }

  private say(words: string): void {
    this.button.replaceChildren(words);
    setTimeout(() => this.button.replaceChildren(...this.label), 2000);
  }
}
