import FoundationEssentials
import SimplonCore
import Synchronization

/// A reservation that is made in the write which begins a step, so that its question waits for one commit less.
///
/// It is no more than a try: where it is not made, or another model is asked after all, the question reserves by itself.
final class EarlyReservation: Sendable {
  private enum State { case open, made, taken }

  /// What `simplon.reserve_model_call` takes.
  let request: JSON
  let caps: JSON
  private let id: UUID
  private let model: ModelName
  private let state = Mutex(State.open)

  init(id: UUID, model: ModelName, request: JSON, caps: JSON) {
    self.id = id
    self.model = model
    self.request = request
    self.caps = caps
  }

  /// The write has made it.
  func made() { state.withLock { $0 = .made } }

  /// Its id and model, if it was made and nobody has taken it yet.
  func take() -> (id: UUID, model: ModelName)? {
    state.withLock { state in
      guard state == .made else { return nil }
      state = .taken
      return (id, model)
    }
  }
}
