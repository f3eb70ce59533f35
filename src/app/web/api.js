// SPDX-License-Identifier: MIT
// Requests to the server. Everything goes through fetch, because a token can only travel in a
// header.
import { readSecret, writeSecret } from "./store.js";

const kRetries = 4;
const kFirstWait = 400;  // ms
const kMostPictures = 300;

let token = null;
let askToken = async () => null;
let asking = null;

export class ApiError extends Error {
  constructor(status, { message, hint, param, code, request_id: request } = {}) {
    super(message ?? `HTTP ${status}`);
    Object.assign(this, { status, hint: hint ?? null, param: param ?? null, request,
      code: code ?? "internal" });
  }
}

// The token comes in the address's fragment, which never reaches a server's log, and is taken out
// of the address bar at once.
export const startToken = (ask) => {
  askToken = ask;
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    writeSecret("token", given);
    history.replaceState(null, "", location.pathname + location.search);
  }
  token = given ?? readSecret("token");
};

export const hasToken = () => token !== null;
const authorization = () => (token ? { Authorization: `Bearer ${token}` } : {});

const failure = async (response) => {
  let body = null;
  try {
    body = await response.json();
  } catch {
    // Not from our server, or cut off: the status has to do.
  }
  return new ApiError(response.status, body?.error);
};

const renewToken = async (wrong) => {
  if (token !== wrong) {
    return;  // another request asked meanwhile
  }
  asking ??= askToken(wrong !== null).finally(() => { asking = null; });
  const given = await asking;
  if (!given) {
    throw new ApiError(401, { code: "unauthorized" });
  }
  token = given;
  writeSecret("token", given);
};

const once = async (method, path, { headers = {}, ...rest }) => {
  try {
    return await fetch(path, { method, cache: "no-store", redirect: "error", ...rest,
      headers: { ...headers, ...authorization() } });
  } catch (error) {
    if (error.name === "AbortError") {
      throw error;
    }
    throw new ApiError(0, { code: "offline" });
  }
};

export const call = async (method, path, options = {}) => {
  for (;;) {
    const used = token;
    const response = await once(method, path, options);
    if (response.ok) {
      return response;
    }
    const error = await failure(response);
    if (error.code !== "unauthorized") {
      throw error;
    }
    await renewToken(used);
  }
};

export const pause = (ms) => new Promise((resolve) => {
  const timer = setTimeout(finish, ms);
  function finish() {  // the network may come back before the time is over
    clearTimeout(timer);
    window.removeEventListener("online", finish);
    resolve();
  }
  window.addEventListener("online", finish);
});

// For requests that may be sent twice: reading, cancelling, or creating with an idempotency key.
export const callAgain = async (method, path, options = {}) => {
  for (let i = 0; ; i += 1) {
    try {
      return await call(method, path, options);
    } catch (error) {
      if (error.code !== "offline" || i === kRetries) {
        throw error;
      }
      await pause(kFirstWait * 2 ** i);
    }
  }
};

export const getOnce = async (path) => (await call("GET", path)).json();
export const get = async (path, options) => (await callAgain("GET", path, options)).json();

const withJson = (value, headers = {}) => ({ body: JSON.stringify(value),
  headers: { "Content-Type": "application/json", ...headers } });
export const post = async (path, value, headers) =>
  (await call("POST", path, withJson(value, headers))).json();
export const postAgain = async (path, value, headers) =>
  (await callAgain("POST", path, withJson(value, headers))).json();

// crypto.randomUUID is missing on pages that come over plain HTTP from another machine.
export const randomKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)),
  (byte) => byte.toString(16).padStart(2, "0")).join("");

const pictures = new Map();  // path -> promise of an object URL, oldest first

const loadPicture = async (path) =>
  URL.createObjectURL(await (await callAgain("GET", path)).blob());

export const picture = (path) => {
  let promise = pictures.get(path);
  pictures.delete(path);
  if (!promise) {
    promise = loadPicture(path);
    promise.catch(() => pictures.delete(path));
  }
  pictures.set(path, promise);
  if (pictures.size > kMostPictures) {
    const [oldest, url] = pictures.entries().next().value;
    pictures.delete(oldest);
    url.then(URL.revokeObjectURL, () => {});
  }
  return promise;
};

export const showPicture = async (image, path) => {
  try {
    image.src = await picture(path);
  } catch {
    image.classList.add("broken");  // the alternative text stays
  }
};

export const download = async (path, name) => {
  const url = URL.createObjectURL(await (await callAgain("GET", path)).blob());
  const { save } = await import("./dom.js");
  save(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 60000);
};
