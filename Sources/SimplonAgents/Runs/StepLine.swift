import SimplonCore

/// A line that a step's tool wrote, to be written as an event of kind `log`.
struct StepLine: Sendable, Hashable {
  let stepID: String
  let line: LogLine

  var event: RunEvent {
    var payload: [String: JSON] = [
      "step_id": .string(stepID), "stream": .string(line.stream), "text": .string(line.text),
    ]
    if line.damaged { payload["damaged"] = true }
    return RunEvent(level: line.level, kind: "log", payload: .object(payload))
  }
}
