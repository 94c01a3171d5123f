// Sets some of the UI's defaults in the browser, unless the user has chosen otherwise.
(function () {
  "use strict";
  var defaults = {
    // Experiments open on their table of runs, not on traces.
    "mlflow.workflowType_v1": '"machine_learning"',
    // The assistant's panel stays closed.
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
    // Tandem drops telemetry, so the UI need not send it nor show its notice.
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
    // No local storage: the UI uses its own defaults.
  }
})();
