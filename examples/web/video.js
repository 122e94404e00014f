// Faces of a playing video or a camera, frame by frame.
import { pixelsOf } from "./pixels.js";

export async function camera(constraints = { facingMode: "user" }) {
  const video = document.createElement("video");
  video.muted = video.playsInline = true;
  video.srcObject = await navigator.mediaDevices.getUserMedia({ video: constraints });
  await video.play();
  return video;
}

export function stopCamera(video) {
  video.srcObject?.getTracks().forEach(track => track.stop());
  video.srcObject = null;
}

/** Waits for the next frame, or for the end of frames. */
async function nextFrame(video) {
  const done = new AbortController();
  await new Promise(resolve => {
    // a video that has paused or ended sends no more frames, but events
    for (const name of ["pause", "ended", "emptied"]) {
      video.addEventListener(name, resolve, { signal: done.signal });
    }
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(resolve);
    else requestAnimationFrame(resolve);
  });
  done.abort();
}

export async function* facesOf(model, video, options) {
  while (video.videoWidth && !video.paused && !video.ended) {
    const image = pixelsOf(video, video.videoWidth, video.videoHeight);
    const timeSeconds = video.currentTime;
    const start = performance.now();
    const faces = await model.run(image, options);
    yield { faces, image, timeSeconds, milliseconds: performance.now() - start };
    await nextFrame(video);
  }
}
