// What was answered and not yet acknowledged: kept in the browser until the server says that it has it.
//
// Each entry has a request id of its own. It is sent again until it is acknowledged; the server counts
// it once. Entries go in order. A reload, a lost connection or a killed server loses none.

const later = (ms) => new Promise((done) => setTimeout(done, ms));

export class Outbox {
  constructor(name, send, changed) {
    this.name = name;
    this.send = send; // (entry) => Promise; rejects with { status } where the server refused
    this.changed = changed; // (reply or null, entry or null)
    this.entries = JSON.parse(localStorage.getItem(name) ?? "[]");
    this.lost = false; // the connection
    this.sending = null;
    addEventListener("online", () => this.flush());
    addEventListener("storage", (event) => {
      if (event.key === name && !this.sending) this.entries = JSON.parse(event.newValue ?? "[]");
    });
  }

  #keep() {
    localStorage.setItem(this.name, JSON.stringify(this.entries));
  }

  put(entry) {
    this.entries.push({ request: crypto.randomUUID(), ...entry });
    this.#keep();
    this.flush();
  }

  // Takes back the last entry if it was not sent yet; it, or null.
  take() {
    if (!this.entries.length || (this.sending && this.entries.length === 1)) return null;
    const entry = this.entries.pop();
    this.#keep();
    return entry;
  }

  has(read) {
    return this.entries.some((entry) => entry.read === read);
  }

  flush() {
    this.sending ??= this.#run().finally(() => { this.sending = null; });
    return this.sending;
  }

  async #run() {
    let pause = 500;
    while (this.entries.length) {
      const [entry] = this.entries;
      try {
        const reply = await this.send(entry);
        this.#drop(entry);
        this.lost = false;
        pause = 500;
        this.changed(reply, entry);
      } catch (error) {
        if (error.status === 401) { this.changed(null, null); return; }
        if (error.status >= 400 && error.status < 500 && error.status !== 429) {
          this.#drop(entry);
          this.refused?.(entry, error);
          continue;
        }
        this.lost = true;
        this.changed(null, null);
        await later(pause);
        pause = Math.min(pause * 2, 8000);
      }
    }
  }

  #drop(entry) {
    this.entries = this.entries.filter((one) => one.request !== entry.request);
    this.#keep();
  }
}
