// Previews of HTML artifacts, in a page whose policy lets their scripts draw.
//
// The UI shows an HTML artifact as a blob: in a sandboxed frame, and a blob: inherits the policy of
// the page that made it: no inline script runs. Here such a blob: gets a page of the server for its
// frame instead, with a policy of its own. That page asks for the artifact, and gets it.
(function () {
  "use strict";
  var script = document.currentScript.src;
  var frame = new URL("tandem-html-artifact.html", script).href;
  var create = URL.createObjectURL;

  URL.createObjectURL = function (object) {
    var url = create.call(URL, object);
    // The UI makes blobs of this very type for previews of HTML artifacts and for nothing else.
    return object instanceof Blob && object.type === "text/html" ? frame + "#" + url : url;
  };

  window.addEventListener("message", function (event) {
    if (event.data !== "tandem-html-artifact") {
      return;
    }
    document.querySelectorAll("iframe").forEach(function (each) {
      // The attribute is the UI's: what the artifact does with its own address changes nothing.
      var parts = each.src.split("#");
      if (each.contentWindow === event.source && parts[0] === frame) {
        fetch(parts[1])
          .then(function (answer) {
            return answer.text();
          })
          .then(function (html) {
            // "*", because the frame's origin is opaque, so that no other way names it.
            event.source.postMessage({ tandemHtmlArtifact: html }, "*");
          });
      }
    });
  });
})();
