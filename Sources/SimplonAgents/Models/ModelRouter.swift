import FoundationEssentials
package import SimplonCore
import Synchronization

/// Asks the first model that is well, and the next one when it fails.
///
/// It sleeps nowhere: when no model can be asked, its error says when one can, and the run waits for that with a reason.
package final class ModelRouter: Sendable {
  private let models: [any Model]
  private let breakers: Mutex<[ModelBreaker]>
  private let now: @Sendable () -> ContinuousClock.Instant
  private let jitter: @Sendable () -> Double

  /// Takes the models in the order of preference; `now` and `jitter` (0 to 1) are the time and chance, or a test's.
  package init(
    _ models: [any Model], now: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
    jitter: @escaping @Sendable () -> Double = { Double.random(in: 0...1) }
  ) {
    self.models = models
    self.now = now
    self.jitter = jitter
    breakers = Mutex(models.map { _ in ModelBreaker() })
  }

  /// The names of all models.
  package var names: [String] { models.map(\.name.description) }

  /// Whether there is a model of that name; at nil, whether there is any.
  package func has(_ name: String?) -> Bool {
    name.map { name in models.contains { $0.name.description == name } } ?? !models.isEmpty
  }

  /// Whom the next question most likely goes to, if any model can be asked now.
  func likely(_ wanted: ModelName?) -> ModelName? {
    breakers.withLock { breakers in
      models.indices.first { index in
        (wanted == nil || models[index].name == wanted) && !breakers[index].isClosed(at: now())
      }.map { models[$0].name }
    }
  }

  /// The request with its bytes as that model sends it: what takes time when a transcript is long.
  func prepared(_ request: ModelRequest, for name: ModelName) -> ModelRequest {
    var request = request
    request.prepared = models.first { $0.name == name }.map { (name, $0.body(request)) }
    return request
  }

  /// The reply of the first model that gives one.
  ///
  /// - Parameters:
  ///   - request: what to send; a transcript of another model's turns stays legal.
  ///   - wanted: the model to ask, and no other; nil asks them in order.
  ///   - onText: gets pieces of text as they come, and those of a model that then failed too.
  /// - Returns: the reply, which names its model.
  /// - Throws: `model.not_configured`; `model.context_full` and `model.refused`; the error of the only model, or of the first
  ///   when no time mends any; `model.cooling_down` with `details.models` when each of several failed or
  ///   cannot be asked, and `retry` says when to come back; `run.interrupted` and `server.shutdown`, which say nothing about a model.
  package func reply(
    to request: ModelRequest, from wanted: ModelName? = nil, onText: @escaping @Sendable (String) -> Void
  ) async throws(SimplonError) -> ModelReply {
    try await reply(to: request, from: wanted, ledger: nil, onText: onText)
  }

  /// The same, with each request reserved in a ledger before it is sent.
  ///
  /// - Throws: what the ledger does, too; a model without a price is passed by like one that has failed.
  func reply(
    to request: ModelRequest, from wanted: ModelName?, ledger: CallLedger?, onText: @escaping @Sendable (String) -> Void
  ) async throws(SimplonError) -> ModelReply {
    var failures = [(model: ModelName, error: SimplonError)]()
    for (index, model) in models.enumerated() where wanted == nil || model.name == wanted {
      if let wait = breakers.withLock({ $0[index].enter(at: now()) }) {
        failures.append(
          (
            model.name,
            SimplonError(.modelCoolingDown, "\(model.name) has failed and is left alone", retry: .after(wait))
          ))
        continue
      }
      let call: UUID?
      do throws(SimplonError) {
        call = try await ledger?.reserve(request, for: model.name)
      } catch {
        breakers.withLock { $0[index].abandoned() }
        guard error.code == .modelNoPrice else { throw error }
        failures.append((model.name, error))
        continue
      }
      do throws(SimplonError) {
        let reply = try await model.reply(to: request, onText: onText)
        if let call { ledger?.end(ModelCallEnd(call, reply)) }
        breakers.withLock { $0[index].succeeded() }
        return reply
      } catch {
        if let call { ledger?.end(ModelCallEnd(call, error)) }
        guard error.code != .runInterrupted, error.code != .serverShutdown else {
          breakers.withLock { $0[index].abandoned() }
          throw error
        }
        breakers.withLock { $0[index].failed(error, at: now(), jitter: jitter()) }
        if Self.ofTheRequest.contains(error.code) { throw error }
        failures.append((model.name, error))
      }
    }
    throw Self.failure(failures, wanted)
  }

  /// What is for the run to deal with, and not for another model.
  private static let ofTheRequest: Set<SimplonError.Code> = [.modelContextFull, .modelRefused]

  private static func failure(
    _ failures: [(model: ModelName, error: SimplonError)], _ wanted: ModelName?
  ) -> SimplonError {
    guard let first = failures.first, let last = failures.last else {
      return SimplonError(
        .modelNotConfigured, wanted.map { "the model \($0) is not configured" } ?? "no model is configured",
        hint: "Set ANTHROPIC_API_KEY, or OPENAI_API_KEY or OPENAI_BASE_URL.")
    }
    // What no time mends, such as a refused key, is told as it is; another model's pause is over some time.
    if failures.count == 1 || failures.allSatisfy({ $0.error.retry == .never || $0.error.code == .modelProtocol }) {
      return first.error
    }
    var soonest: Duration?
    for case .after(let wait) in failures.map(\.error.retry) { soonest = Swift.min(soonest ?? wait, wait) }
    return SimplonError(
      .modelCoolingDown,
      "none of \(failures.count) models can be asked now; the last said: \(last.error.message)",
      hint: last.error.hint,
      details: [
        "models": .array(
          failures.map { ["model": .string($0.model.description), "code": .string($0.error.code.rawValue)] })
      ], retry: soonest.map(SimplonError.Retry.after) ?? .backoff, cause: last.error)
  }
}
