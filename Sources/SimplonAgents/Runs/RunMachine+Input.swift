import FoundationEssentials
import SimplonCore

extension RunMachine {
  /// Something that happened to a claimed run.
  enum Input: Sendable {
    /// A step's call came back.
    case ended(StepEnd)
    /// A step's call was broken off, or never begun, by no doing of its own; the end's error says by what.
    case interrupted(StepEnd)
    /// A step's call waits for a free sandbox; nothing of it has happened yet.
    case waits(stepID: String)
    /// It has got one.
    case begins(stepID: String)
    /// A step has made that run and waits for its end, however long it takes.
    case awaits(stepID: String, child: UUID)
    /// The wait before a repeat is over.
    case waitOver(stepID: String)
    /// A person has responded to a step's question, or the time for it is over.
    case responded(stepID: String, PersonResponse)
    /// The worker is stopping: start nothing more.
    case drain
  }
}

/// How a step's call came back.
struct StepEnd: Sendable {
  let stepID: String
  let output: JSON
  /// Nil when it succeeded.
  let error: SimplonError?
  let layerHash: String?
  /// What the model said, when the step asked one.
  var reply: ModelReply?
  /// 0 to 1, for the wait before a repeat.
  let jitter: Double
  /// What became of its requests to models.
  var calls: [ModelCallEnd] = []
}
