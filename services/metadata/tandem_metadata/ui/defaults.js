// Some of the UI's defaults in the browser, where the user has not chosen otherwise.
(function () {
  "use strict";
  var defaults = {
    // Experiments open on their table of runs; the other choice begins with traces.
    "mlflow.workflowType_v1": '"machine_learning"',
    // The assistant's panel stays closed until somebody opens it.
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
    // Nothing is told to anybody here, so there is nothing to send and to warn of.
    "mlflow.settings.telemetry.enabled_v1": "false",
    "mlflow.telemetry.info.alert.dismissed_v1": "true",
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
