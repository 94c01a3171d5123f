// Features that Tandem does not have: hidden if the UI has no switch, else explained when refused.
(function () {
  "use strict";
  var HIDDEN = [
    // The invitation to create demo data, and the button that clears them.
    'div:has(> [data-component-id="mlflow.home.demo-banner.launch"])',
    'div:has(> div > [data-component-id="mlflow.settings.demo.clear-all-button"])',
    // The assistant, which the UI offers at localhost in any case.
    '[data-assistant-ui="true"]',
    '[role="tab"][id$="-trigger-assistant"]',
    // Its buttons in a trace and in an evaluation run, and the views of traces that it builds.
    '[data-component-id="mlflow.evaluations_review.modal.analyze-trace"]',
    '[data-component-id="mlflow.run-view-evaluations.analyze-button"]',
    '[data-component-id="mlflow.model_trace_explorer.drawer.custom_view_selector.create"]',
    '[data-component-id^="shared.model-trace-explorer.custom-view.edit"]',
    '[role="tab"][id$="-trigger-custom"]',
  ];
  var NOTICE =
    "position:fixed; left:50%; bottom:24px; transform:translateX(-50%); z-index:2147483647;" +
    "max-width:600px; padding:12px 40px 12px 16px; border:1px solid #e0b400; border-radius:8px;" +
    "background:#fff8e1; color:#333; font:14px/1.4 system-ui,sans-serif;" +
    "box-shadow:0 4px 16px rgba(0,0,0,.2)";
  var SECONDS = 12;
  var NOT_IMPLEMENTED = 501;
  var notice = null;
  var timer = 0;

  // The UI's own rules for its buttons are important too. This weighs as much as an id.
  var OUTWEIGHS = ":not(#_)";
  var style = document.createElement("style");
  style.textContent = HIDDEN.join(OUTWEIGHS + ",") + OUTWEIGHS + "{display:none !important}";
  document.head.append(style);

  // The panel may have been opened at this address before, by MLflow's own server, which opens it by
  // itself. Hidden, it would still take half of a trace's width.
  try {
    window.localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
  } catch (error) {
    // No local storage: the panel is closed.
  }

  function hide() {
    notice.hidden = true;
  }

  function say(sentence) {
    if (notice === null) {
      notice = document.createElement("div");
      notice.style.cssText = NOTICE;
      notice.setAttribute("role", "alert");
      var close = document.createElement("button");
      close.textContent = "\u00d7";
      close.setAttribute("aria-label", "Close");
      close.style.cssText =
        "position:absolute; top:6px; right:10px; border:0; background:none; color:inherit;" +
        "font-size:20px; cursor:pointer";
      close.onclick = hide;
      notice.append(document.createElement("span"), close);
      document.body.append(notice);
    }
    notice.firstChild.textContent = sentence;
    notice.hidden = false;
    clearTimeout(timer);
    timer = setTimeout(hide, SECONDS * 1000);
  }

  // The UI ignores the errors of most of its buttons.
  var fetch = window.fetch;
  window.fetch = function (resource, options) {
    var answering = fetch.apply(this, arguments);
    if (options && options.method && options.method.toUpperCase() !== "GET") {
      answering
        .then(function (answer) {
          if (answer.status === NOT_IMPLEMENTED) {
            return answer.clone().json().then(function (error) {
              say(error.message);
            });
          }
        })
        .catch(function () {}); // the caller gets the error
    }
    return answering;
  };
})();
