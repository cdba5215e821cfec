"use strict";
(() => {
  const CONTEXT = 3;
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const cards = [...document.querySelectorAll(".finding")];
  const filters = document.getElementById("filters");
  const decisions = new Map();  // fingerprint -> "accepted" or "rejected"
  const key = "fixgrad " + data.page;
  let current = -1;

  // What was decided outlives a reload, where the browser keeps anything for a file.
  const stored = (read) => { try { return read(); } catch { return null; } };
  const kept = stored(() => JSON.parse(localStorage.getItem(key) ?? "[]")) ?? [];
  for (const [name, decision] of kept) decisions.set(name, decision);
  const keep = () => stored(() => localStorage.setItem(key, JSON.stringify([...decisions])));

  const isRepair = (card) => card.dataset.repair !== undefined;
  const decisionOf = (card) => decisions.get(card.dataset.fingerprint) ?? "open";
  const shown = () => cards.filter((card) => !card.hidden);

  function cardOf(repair) {
    return cards.find((card) => card.dataset.repair === String(repair));
  }

  function decide(card, decision) {
    if (!isRepair(card)) return;
    const group = data.groups.find((one) => one.repairs.includes(Number(card.dataset.repair)));
    for (const one of group.together ? group.repairs.map(cardOf) : [card]) {
      if (decision === "open") decisions.delete(one.dataset.fingerprint);
      else decisions.set(one.dataset.fingerprint, decision);
    }
    keep();
    update();
  }

  function update() {
    const wanted = Object.fromEntries(new FormData(filters));
    for (const card of cards) {
      const decision = decisionOf(card);
      card.classList.toggle("accepted", decision === "accepted");
      card.classList.toggle("rejected", decision === "rejected");
      card.querySelector(".accept")?.setAttribute("aria-pressed", decision === "accepted");
      card.querySelector(".reject")?.setAttribute("aria-pressed", decision === "rejected");
      card.hidden = !(
        (!wanted.rule || wanted.rule === card.dataset.rule) &&
        (!wanted.safety || wanted.safety === card.dataset.safety) &&
        (!wanted.file || wanted.file === card.dataset.file) &&
        (!wanted.decision || (isRepair(card) && wanted.decision === decision))
      );
    }
    const repairs = cards.filter(isRepair);
    const count = (what) => repairs.filter((card) => decisionOf(card) === what).length;
    const left = excluded().length;
    document.getElementById("matching").textContent = `${shown().length} of ${cards.length} shown`;
    document.getElementById("decided").textContent =
      `${count("accepted")} of ${repairs.length} accepted, ${count("rejected")} rejected` +
      (left ? `; ${left} accepted cannot be combined with the others and will be missing` : "");
    document.getElementById("download").disabled = count("accepted") === 0;
  }

  function go(step) {
    const list = shown();
    if (!list.length) return;
    const at = list.indexOf(cards[current]);
    const next = at < 0 ? (step > 0 ? 0 : list.length - 1) : at + step;
    const card = list[Math.min(Math.max(next, 0), list.length - 1)];
    select(card);
    card.focus({ preventScroll: true });
    card.scrollIntoView({ block: "start" });
  }

  function select(card) {
    cards[current]?.classList.remove("current");
    current = cards.indexOf(card);
    card.classList.add("current");
  }

  // The patch: bytes all the way, as a file need not be UTF-8.
  const encoder = new TextEncoder();
  const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

  const isAccepted = (repair) => decisionOf(cardOf(repair)) === "accepted";
  const choiceOf = (group) => group.repairs.filter(isAccepted).join(",");
  const excluded = () => data.groups.flatMap((group) => group.excluded[choiceOf(group)] ?? []);

  function blocksByFile() {
    const found = new Map();
    for (const group of data.groups) {
      for (const [header, blocks] of Object.entries(group.choices[choiceOf(group)] ?? {})) {
        found.set(header, [...(found.get(header) ?? []), ...blocks]);
      }
    }
    for (const blocks of found.values()) blocks.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    return [...found].map(([header, blocks]) => [header, joined(blocks)]).sort(([a], [b]) => (a < b ? -1 : 1));
  }

  // Blocks that follow on each other are one, as in any diff.
  function joined(blocks) {
    const found = [];
    for (const [from, removed, added] of blocks) {
      const last = found[found.length - 1];
      if (last && last[0] + last[1] === from) { last[1] += removed; last[2] = [...last[2], ...added]; }
      else found.push([from, removed, added]);
    }
    return found;
  }

  function line(sign, content) {
    const parts = [encoder.encode(sign), content];
    if (content[content.length - 1] !== 10) parts.push(encoder.encode("\n\\ No newline at end of file\n"));
    return parts;
  }

  const range = (start, count) => (count === 0 ? `${start},0` : count === 1 ? `${start + 1}` : `${start + 1},${count}`);

  function hunk(file, blocks, moved) {
    const [first, last] = [blocks[0], blocks[blocks.length - 1]];
    const start = Math.max(0, first[0] - CONTEXT);
    const end = Math.min(file.count, last[0] + last[1] + CONTEXT);
    const parts = [];
    let at = start;
    const context = (until) => { for (; at < until; at++) parts.push(...line(" ", bytes(file.lines[at]))); };
    let growth = 0;
    for (const [from, removed, added] of blocks) {
      context(from);
      for (; at < from + removed; at++) parts.push(...line("-", bytes(file.lines[at])));
      for (const text of added) parts.push(...line("+", bytes(text)));
      growth += added.length - removed;
    }
    context(end);
    const old = end - start;
    parts.unshift(encoder.encode(`@@ -${range(start, old)} +${range(start + moved, old + growth)} @@\n`));
    return { parts, growth };
  }

  function patch() {
    const parts = [];
    for (const [header, blocks] of blocksByFile()) {
      parts.push(encoder.encode(header));
      let moved = 0;
      for (let at = 0; at < blocks.length;) {
        let end = at + 1;
        while (end < blocks.length && blocks[end][0] - (blocks[end - 1][0] + blocks[end - 1][1]) <= 2 * CONTEXT) end++;
        const made = hunk(data.files[header], blocks.slice(at, end), moved);
        parts.push(...made.parts);
        moved += made.growth;
        at = end;
      }
    }
    return new Blob(parts, { type: "text/x-diff" });
  }

  function download() {
    if (document.getElementById("download").disabled) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(patch());
    link.download = "fixgrad.patch";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  function acceptSafe() {
    for (const card of shown()) {
      if (isRepair(card) && card.dataset.safety === "safe" && decisionOf(card) === "open") decide(card, "accepted");
    }
  }

  function theme() {
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    stored(() => localStorage.setItem("fixgrad theme", root.dataset.theme));
  }

  function help() {
    const keys = document.getElementById("keys");
    keys.hidden = !keys.hidden;
    document.getElementById("help").setAttribute("aria-expanded", !keys.hidden);
  }

  function toggle(card, decision) {
    decide(card, decisionOf(card) === decision ? "open" : decision);
  }

  for (const card of cards) {
    card.addEventListener("focusin", () => select(card));
    card.addEventListener("pointerdown", () => select(card));
    card.querySelector(".accept")?.addEventListener("click", () => toggle(card, "accepted"));
    card.querySelector(".reject")?.addEventListener("click", () => toggle(card, "rejected"));
  }
  filters.addEventListener("change", update);
  filters.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("theme").addEventListener("click", theme);
  document.getElementById("help").addEventListener("click", help);
  document.getElementById("all").addEventListener("click", acceptSafe);
  document.getElementById("download").addEventListener("click", download);

  const chosen = (decision) => () => { if (current >= 0 && !cards[current].hidden) decide(cards[current], decision); };
  const actions = {
    j: () => go(1), k: () => go(-1), a: chosen("accepted"), r: chosen("rejected"), u: chosen("open"),
    A: acceptSafe, d: download, t: theme, "?": help,
    "/": () => filters.elements.rule.focus(),
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("select, input, textarea");
    if (event.ctrlKey || event.metaKey || event.altKey || (typing && event.key !== "Escape")) return;
    if (event.key === "Escape") { event.target.blur(); return; }
    const action = actions[event.key];
    if (action) { event.preventDefault(); action(); }
  });

  const wish = stored(() => localStorage.getItem("fixgrad theme"));
  if (wish) root.dataset.theme = wish;
  update();
})();
