// Two of the UI's defaults in the browser, where the user has not chosen otherwise: experiments open
// on their table of runs, and the assistant's panel stays closed until somebody opens it.
(function () {
  "use strict";
  var defaults = {
    "mlflow.workflowType_v1": '"machine_learning"',
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
  };
  try {
    Object.keys(defaults).forEach(function (key) {
      if (window.localStorage.getItem(key) === null) {
        window.localStorage.setItem(key, defaults[key]);
      }
    });
  } catch (error) {
    // The browser keeps nothing for this site; the UI works with its own defaults then.
  }
})();
