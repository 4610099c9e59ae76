// Runs ELK in a worker, so that the page stays usable meanwhile and a layout that nobody waits for any
// more is ended; where a browser starts none, in the page.
"use strict";

const WORKER_TAIL = `
  const layouts = new ELK();
  onmessage = ({ data: { id, graph } }) => layouts.layout(graph)
    .then((graph) => postMessage({ id, graph }), (error) => postMessage({ id, error: String(error) }));`;
// Laid out while the page reads its calls: the very first layout takes longest, however small.
const WARM_UP = {
  id: "root",
  layoutOptions: { "elk.algorithm": "layered", "elk.hierarchyHandling": "INCLUDE_CHILDREN", "elk.edgeRouting": "ORTHOGONAL" },
  children: ["client", "server"].map((id) => ({ id, width: 80, height: 30 })),
  edges: [{ id: "call", sources: ["client"], targets: ["server"] }],
};

let worker = null;
let workerAddress = null;
let refused = false;
let inPage = null;
let pending = null;
let asked = 0;

/** A fresh worker, or null where the browser has none for this page. */
function startWorker() {
  try {
    const library = document.getElementById("library").textContent;
    // `document` is what the library tells a page from a worker by; here it shall be as in a page.
    workerAddress ??= URL.createObjectURL(new Blob(["var document = null;", library, WORKER_TAIL]));
    return new Worker(workerAddress);
  } catch {
    return null;
  }
}

function layOutHere(graph) {
  inPage ??= new ELK();
  return inPage.layout(graph);
}

/** Runs ELK; a call before the last one has come back ends that one, whose promise rejects. */
function runLayout(graph) {
  if (pending) {
    worker?.terminate();
    worker = null;
    pending(new Error("superseded"));
  }
  worker ??= refused ? null : startWorker();
  if (worker === null) return layOutHere(graph);
  const id = (asked += 1);
  return new Promise((resolve, reject) => {
    pending = reject;
    const done = (end) => (value) => { pending = null; end(value); };
    worker.onmessage = ({ data }) => {
      if (data.id === id) (data.error ? done(reject)(new Error(data.error)) : done(resolve)(data.graph));
    };
    worker.onerror = (event) => {
      // Started, and then refused: as good as none.
      event.preventDefault();
      refused = true;
      worker = null;
      layOutHere(graph).then(done(resolve), done(reject));
    };
    worker.postMessage({ id, graph });
  });
}

worker = startWorker();
worker?.postMessage({ id: 0, graph: WARM_UP });
