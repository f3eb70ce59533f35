// SPDX-License-Identifier: MIT
// Jobs on the server, newest first, fetched page by page as the list is scrolled.
import { call, get, showPicture } from "./api.js";
import { confirmBox } from "./dialogs.js";
import { byId, button, make } from "./dom.js";
import { bind, dateTime, t } from "./i18n.js";
import { isFinal } from "./jobs.js";
import { announce, guarded } from "./messages.js";
import { stateText } from "./progress.js";
import { saveZip, settingsText } from "./results.js";

const kPage = 24;
const kThumbs = 4;

class History {
  constructor({ capabilities, generate }) {
    this.generate = generate;
    this.next = null;
    this.list = byId("history-list");
    this.thumbs = new IntersectionObserver((seen) => this.showThumbs(seen),
      { rootMargin: "200px" });
    new IntersectionObserver((seen) => {
      if (seen.some(({ isIntersecting }) => isIntersecting)) {
        this.more();
      }
    }, { rootMargin: "300px" }).observe(byId("history-more"));
    byId("history-more").addEventListener("click", () => this.more());
    byId("history-refresh").addEventListener("click", () => this.refresh());
    const { max_mb: mb, max_days: days } = capabilities.history;
    bind(byId("history-limits"), "history.limits", { mb, days });
  }

  show() {
    this.refresh();
  }

  async refresh() {
    await this.load(`/v1/jobs?limit=${kPage}`, true);
  }

  async more() {
    if (this.next && !this.loading) {
      await this.load(`/v1/jobs?limit=${kPage}&before=${encodeURIComponent(this.next)}`, false);
    }
  }

  load = guarded(async (path, fresh) => {
    this.loading = true;
    try {
      const { jobs, next } = await get(path);
      if (fresh) {
        this.list.replaceChildren();
      }
      this.list.append(...jobs.map((job) => this.card(job)));
      this.next = next;
    } finally {
      this.loading = false;
    }
    byId("history-more").hidden = !this.next;
    byId("history-none").hidden = this.list.childElementCount > 0;
  });

  card(job) {
    const { request } = job;
    const thumbs = job.images.slice(0, kThumbs).map((image) => {
      const element = make("img", { class: "pixels thumb", alt: "" });
      element.dataset.path = image.url;
      this.thumbs.observe(element);
      return element;
    });
    const more = job.images.length - kThumbs;
    const open = make("button", { type: "button", class: "bare thumbs",
      tLabel: ["history.open_label", { prompt: request.prompt || "–" }],
      onclick: () => this.generate.openJob(job) }, thumbs,
    more > 0 ? make("span", { class: "quiet" }, `+${more}`) : null);
    const details = () => [dateTime(job.created), t("history.images", { n: job.images.length }),
      t("history.seed", { seed: request.seed }),
      t(request.has_mask ? "image.with_mask" : "image.no_mask"), settingsText(job)].join(" · ");
    return make("article", { class: "card history" }, thumbs.length ? open : null,
      make("div", { class: "history-text" }, make("h3", {}, request.prompt || "–"),
        job.state === "done" ? null : make("p", {}, make("span", { class: "band",
          t: ["plain", { text: () => stateText(job) }] })),
        make("p", { class: "quiet small", t: ["plain", { text: details }] }),
        make("div", { class: "bar tight" }, this.buttons(job))));
  }

  buttons(job) {
    const list = [button("history.open", () => this.generate.openJob(job)),
      button("history.restore", guarded(() => this.generate.useJob(job)))];
    if (job.images.length > 0) {
      list.push(button("zip", () => saveZip(job)));
    }
    if (isFinal(job)) {
      list.push(button("delete", (event) => this.remove(job, event.target.closest("article"))));
    }
    return list;
  }

  remove = guarded(async (job, card) => {
    if (!await confirmBox("history.confirm", { n: job.images.length,
      prompt: job.request.prompt || "–" }, "delete")) {
      return;
    }
    await call("DELETE", `/v1/jobs/${job.id}`);
    const next = card.nextElementSibling ?? card.previousElementSibling;
    card.remove();
    (next?.querySelector("button") ?? byId("history-refresh")).focus();
    announce("history.deleted");
    byId("history-none").hidden = this.list.childElementCount > 0;
    if (this.generate.results.job?.id === job.id) {
      this.generate.results.clear();
    }
  });

  showThumbs(seen) {
    for (const { isIntersecting, target } of seen) {
      if (isIntersecting) {
        this.thumbs.unobserve(target);
        showPicture(target, target.dataset.path);
      }
    }
  }
}

export const startHistory = (context) => new History(context);
