// Shows previews of HTML artifacts in a page whose policy allows inline scripts.
//
// The UI shows an HTML artifact as a blob: in a sandboxed frame. A blob: inherits the policy of the
// page that made it, so no inline script would run. This script puts a page of the server, with its
// own policy, into the frame. That page asks for the artifact by a message.
(function () {
  "use strict";
  var script = document.currentScript.src;
  var frame = new URL("tandem-html-artifact.html", script).href;
  var create = URL.createObjectURL;

  URL.createObjectURL = function (object) {
    var url = create.call(URL, object);
    // The UI makes blobs of this type only for previews of HTML artifacts.
    return object instanceof Blob && object.type === "text/html" ? frame + "#" + url : url;
  };

  window.addEventListener("message", function (event) {
    if (event.data !== "tandem-html-artifact") {
      return;
    }
    document.querySelectorAll("iframe").forEach(function (each) {
      // The src attribute is the UI's; an artifact that changes its own address cannot alter it.
      var parts = each.src.split("#");
      if (each.contentWindow === event.source && parts[0] === frame) {
        fetch(parts[1])
          .then(function (answer) {
            return answer.text();
          })
          .then(function (html) {
            // "*", because the frame's origin is opaque and has no name.
            event.source.postMessage({ tandemHtmlArtifact: html }, "*");
          });
      }
    });
  });
})();
