import Crypto
import FoundationEssentials
import SimplonCore

extension RunMachine.Input {
  /// How many tokens a model has read and written for it.
  var tokens: Int {
    guard case .ended(let end) = self, let usage = end.reply?.usage else { return 0 }
    return usage.allInput + usage.output
  }
}

extension RunTurn {
  /// A turn that only ends or parks the run.
  init(ending outcome: RunOutcome) {
    self.init()
    self.outcome = outcome
    self.events = outcome.events
  }

  /// Adds the run's artifacts; when they cannot be collected, a run that had succeeded fails.
  mutating func conclude(_ claim: ClaimedRun, with artifacts: Result<[ArtifactFile], SimplonError>) {
    switch artifacts {
    case .success(let found):
      for artifact in found {
        let json = artifact.json(id: UUID(of: artifact.path, in: claim))
        self.artifacts.append(json)
        events.append(RunEvent(kind: "artifact", payload: json))
      }
    case .failure(let error):
      if case .completed = outcome { outcome = .failed(error: error.json) }
    }
  }
}

extension UUID {
  /// The same for the same path of the same attempt, so that an artifact that is made again keeps its id.
  ///
  /// - Source: RFC 9562 §5.8, version 8.
  fileprivate init(of path: String, in claim: ClaimedRun) {
    var b = Array(SHA256.hash(data: Array("\(claim.held.id)/\(claim.attempt)/\(path)".utf8)).prefix(16))
    b[6] = b[6] & 0x0f | 0x80
    b[8] = b[8] & 0x3f | 0x80
    self.init(
      uuid: (b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]))
  }
}

extension ArtifactFile {
  fileprivate func json(id: UUID) -> JSON {
    [
      "id": .string(id.uuidString.lowercased()), "path": .string(path), "size": .integer(blob.size),
      "mime": .string(mime), "sha256": .string(blob.sha256),
    ]
  }
}

extension RunOutcome {
  static func modelMissing(_ model: String?) -> RunOutcome {
    .waiting(reason: [
      "code": .string(SimplonError.Code.modelNotConfigured.rawValue),
      "message": .string(
        model.map { "The run asks for the model \($0), which is not configured." }
          ?? "The run has a prompt, and no model is configured."),
      "hint": "Set ANTHROPIC_API_KEY, or OPENAI_API_KEY or OPENAI_BASE_URL, and SIMPLON_MODELS; the run then goes on.",
    ])
  }

  static var workflowMissing: RunOutcome {
    .failed(
      error: SimplonError(.planInvalid, "the run has neither a plan nor a prompt").json)
  }
}

extension ModelReply {
  /// What a step that asked the model shows: who answered, why it ended there, and what is billed (in tokens).
  var output: JSON {
    let tokens: JSON = [
      "input": .integer(usage.input), "cache_read": .integer(usage.cacheRead),
      "cache_write": .integer(usage.cacheWrite),
      "cache_write_hour": .integer(usage.cacheWriteHour), "output": .integer(usage.output),
    ]
    return [
      "model": .string(turn.model.description), "stop": .string(stop.rawValue),
      "usage": isUsageReported ? tokens : .null,
      "request_id": requestID.map(JSON.string) ?? .null,
    ]
  }
}
