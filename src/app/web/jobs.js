// SPDX-License-Identifier: MIT
// Jobs that this page started or found. The oldest unfinished one is followed live, the others are
// polled: a browser has only six connections to a server, over all tabs.
import { get, getOnce, postAgain, randomKey } from "./api.js";
import { makeEvents } from "./dom.js";
import { notify, notifyError } from "./messages.js";
import { follow } from "./sse.js";
import { read, write } from "./store.js";

const kPoll = 1500;  // ms
const kFinal = ["done", "failed", "cancelled"];

export const isFinal = (job) => kFinal.includes(job.state);

export class Jobs {
  constructor() {
    this.events = makeEvents();
    this.entries = new Map();  // id -> {job, linked, cancelling}
    this.running = false;
  }

  // Finds again what was running when the page was closed.
  async resume() {
    const ids = read("jobs", []);
    const found = await Promise.allSettled(ids.map((id) => get(`/v1/jobs/${id}`)));
    found.forEach((result) => result.status === "fulfilled" && this.add(result.value));
    if (this.entries.size === 0) {
      const { jobs } = await get("/v1/jobs?limit=20");
      jobs.filter((job) => !isFinal(job)).slice(0, 1).forEach((job) => this.add(job));
    }
    this.keep();
  }

  // The key makes a repeated sending harmless, when the answer got lost on the way.
  async start(request) {
    const job = await postAgain("/v1/jobs", request, { "Idempotency-Key": randomKey() });
    this.add(job);
    this.keep();
    return job;
  }

  add(job) {
    this.entries.set(job.id, { job, linked: true, cancelling: false });
    this.take(job);
    this.pump();
  }

  keep() {
    write("jobs", [...this.entries.keys()]);
  }

  take(job) {
    const entry = this.entries.get(job.id);
    if (!entry) {
      return;
    }
    entry.job = job;
    if (isFinal(job)) {
      this.entries.delete(job.id);
      this.keep();
      this.events.emit("final", job);
    }
    this.events.emit("change", entry);
  }

  drop(id) {
    const entry = this.entries.get(id);
    this.entries.delete(id);
    this.keep();
    if (entry) {
      this.events.emit("gone", entry);
      notify("job.gone", {}, { error: true });
    }
  }

  first() {
    const list = [...this.entries.values()];
    return list.find(({ job }) => job.state === "running") ?? list[0];
  }

  async pump() {
    if (this.running) {
      return;
    }
    this.running = true;
    const timer = setInterval(() => this.pollOthers(), kPoll);
    while (this.entries.size > 0) {
      const { id } = this.first().job;
      this.followed = id;
      try {
        await this.followOne(id);
      } catch (error) {
        if (error.status !== 404) {
          notifyError(error);
        }
        this.drop(id);
      }
    }
    clearInterval(timer);
    this.running = false;
    this.followed = null;
  }

  followOne(id) {
    const { entries, events } = this;
    return follow(`/v1/jobs/${id}/events`, {
      before: async () => this.take(await getOnce(`/v1/jobs/${id}`)),
      finished: () => !entries.has(id),
      onLink: (linked) => {
        const entry = entries.get(id);
        if (entry && entry.linked !== linked) {
          entry.linked = linked;
          events.emit("change", entry);
        }
      },
      onEvent: (name, data) => {
        if (name === "job") {
          this.take(data);
        } else if (name === "preview" && entries.has(id)) {
          events.emit("preview", entries.get(id), data);
        }
      },
    });
  }

  async pollOthers() {
    if (this.polling) {
      return;
    }
    this.polling = true;
    for (const id of [...this.entries.keys()].filter((key) => key !== this.followed)) {
      try {
        this.take(await get(`/v1/jobs/${id}`));
      } catch (error) {
        if (error.status === 404) {
          this.drop(id);
        }
      }
    }
    this.polling = false;
  }

  async cancel(id) {
    const entry = this.entries.get(id);
    if (!entry || entry.cancelling) {
      return;
    }
    entry.cancelling = true;
    this.events.emit("change", entry);
    try {
      this.take(await postAgain(`/v1/jobs/${id}/cancel`, {}));
    } catch (error) {
      entry.cancelling = false;
      this.events.emit("change", entry);
      notifyError(error);
    }
  }
}
