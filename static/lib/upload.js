// Sends a file to the server, and says how far it got: the one thing that `fetch` can't say.

import { ApiError, refused } from "./api.js";

/** Uploads `file`; `progress(part)` hears how much of it, from 0 to 1. Answers `{done, cancel}`. */
export function upload(file, progress) {
  const request = new XMLHttpRequest();
  const done = new Promise((resolve, reject) => {
    request.open("POST", "/api/media");
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => progress(total ? loaded / total : 0);
    request.onload = () => {
      if (request.status < 300 && request.response) resolve(request.response);
      else reject(refused(request.status, request.response, (name) => request.getResponseHeader(name)));
    };
    request.onerror = () => reject(new ApiError(0));
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    const form = new FormData();
    form.append("file", file, file.name || "file");
    request.send(form);
  });
  return { done, cancel: () => request.abort() };
}
