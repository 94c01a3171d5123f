// Shows a trace of many spans a part at a time.
//
// The UI draws a row for each span that it gets, and stands still for minutes over tens of thousands.
// This script has it ask for some of them only, and says which the page shows.
(function () {
  "use strict";
  var SPANS = 1000;
  var ASKED = /(?:^|\/)ajax-api\/\d\.0\/mlflow\/(?:traces\/get|get-trace-artifact)\?(.*)/;
  var COUNT = "X-Tandem-Spans";
  var KEPT = "tandem.spans";
  var ALL = -1;
  var BAR =
    "position:fixed; left:50%; bottom:16px; transform:translateX(-50%); z-index:2147483646;" +
    "pointer-events:auto;" + // an open drawer takes them from the rest of the page
    "display:flex; gap:8px; align-items:center; max-width:90vw; padding:8px 16px;" +
    "border:1px solid #c0cdd8; border-radius:8px; background:#f6f9fc; color:#333;" +
    "font:13px/1.4 system-ui,sans-serif; box-shadow:0 4px 16px rgba(0,0,0,.2)";
  var BUTTON =
    "padding:2px 10px; border:1px solid #c0cdd8; border-radius:4px; background:#fff;" +
    "color:inherit; font:inherit; cursor:pointer; white-space:nowrap";
  var bar = null;
  var shown = null; // the trace, and the address at which the bar came
  var looking = 0;
  var chosen = choice(); // what a button has chosen just before the page was loaded again

  function choice() {
    try {
      var kept = JSON.parse(window.sessionStorage.getItem(KEPT));
      // Not again: whoever loads the page because it stands still shall get rid of all spans.
      window.sessionStorage.removeItem(KEPT);
      return kept || {};
    } catch (error) {
      return {};
    }
  }

  function choose(trace, from) {
    window.sessionStorage.setItem(KEPT, JSON.stringify({ trace: trace, from: from }));
    window.location.reload();
  }

  function start(trace) {
    return chosen.trace === trace ? chosen.from : 0;
  }

  function button(text, title, disabled, act) {
    var made = document.createElement("button");
    made.textContent = text;
    made.title = title;
    made.disabled = disabled;
    made.style.cssText = BUTTON + (disabled ? "; opacity:.4; cursor:default" : "");
    made.onclick = act;
    return made;
  }

  function hide() {
    if (bar !== null) {
      bar.remove();
      clearInterval(looking);
      bar = shown = null;
    }
  }

  function show(trace, from, count) {
    hide();
    var to = Math.min(from + SPANS, count);
    var text = document.createElement("span");
    text.textContent =
      "Spans " + (from + 1).toLocaleString("en") + " to " + to.toLocaleString("en") + " of " +
      count.toLocaleString("en") + ", by their start";
    bar = document.createElement("div");
    bar.style.cssText = BAR;
    bar.setAttribute("role", "region");
    bar.setAttribute("aria-label", "Spans that are shown");
    // The drawer closes if it sees something outside of it pressed or focused.
    ["pointerdown", "mousedown", "focusin"].forEach(function (kind) {
      bar.addEventListener(kind, function (event) {
        event.stopPropagation();
      });
    });
    bar.append(
      text,
      button("Earlier", "The spans before these", from === 0, function () {
        choose(trace, Math.max(from - SPANS, 0));
      }),
      button("Later", "The spans after these", to === count, function () {
        choose(trace, from + SPANS);
      }),
      button("All", "All spans at once; the page may stand still for minutes", false, function () {
        choose(trace, ALL);
      })
    );
    document.body.append(bar);
    shown = { trace: trace, address: address(), named: false };
    looking = setInterval(look, 500);
    look();
  }

  function address() {
    return window.location.hash.split("?")[0];
  }

  // The address names the open trace; pages of several traces have an address of their own.
  function look() {
    var named = window.location.hash.indexOf(shown.trace) >= 0;
    shown.named = shown.named || named;
    if (shown.named ? !named : shown.address !== address()) {
      hide();
    }
  }

  var fetch = window.fetch;
  window.fetch = function (resource, options) {
    var asked = typeof resource === "string" ? ASKED.exec(resource) : null;
    var query = new URLSearchParams(asked ? asked[1] : "");
    var trace = query.get("trace_id") || query.get("request_id");
    if (trace === null || query.has("path") || start(trace) === ALL) {
      return fetch.apply(this, arguments);
    }
    var from = start(trace);
    return fetch
      .call(this, resource + "&max_spans=" + SPANS + "&skip_spans=" + from, options)
      .then(function (answer) {
        var count = Number(answer.headers.get(COUNT));
        if (count > SPANS) {
          show(trace, from, count);
        }
        return answer;
      });
  };
})();
