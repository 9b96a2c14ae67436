import FoundationEssentials
import Metrics
import SimplonCore
import SimplonPostgres

/// Delivers what webhooks are told, each delivery at least once.
///
/// Where the process ends before an answer is known, another attempt is made two minutes later, under the same id.
struct WebhookSender: Sendable {
  private static let atOnce = 32
  private static let patience = Duration.seconds(10)

  let client: PostgresClient
  let egress: EgressClient

  fileprivate struct Delivery: Sendable {
    let id: UUID
    let owner: UUID
    let attempt: Int32
    let seconds: Int64
    let url: String
    let secret: String
    let payload: String
  }

  /// Makes a sender that goes by the rules for addresses, and not by the operator's list of hosts.
  init(client: PostgresClient, allowsPrivate: Bool) {
    self.client = client
    self.egress = EgressClient(
      rules: .anywhere(allowsPrivate: allowsPrivate), resolver: HostLookups.webhooks.resolve)
  }

  /// Makes an attempt at everything that is due, and at what becomes due meanwhile.
  ///
  /// - Throws: the first trouble with the database; what is under way then ends as usual, and nothing more is taken.
  func deliver() async throws {
    // What has ended gives its owner; nil is a second that has passed.
    try await withThrowingTaskGroup(of: (owner: UUID?, trouble: (any Error)?).self) { group in
      var busy = [UUID]()
      var isTicking = false
      var trouble: (any Error)?
      while true {
        if trouble == nil, !Task.isCancelled, busy.count < Self.atOnce {
          do {
            for delivery in try await take(busy) {
              busy.append(delivery.owner)
              group.addTask { (owner: delivery.owner, trouble: await send(delivery)) }
            }
          } catch {
            trouble = error
          }
        }
        guard !busy.isEmpty else { break }
        if !isTicking, trouble == nil, !Task.isCancelled {
          isTicking = true
          group.addTask {
            try? await Task.sleep(for: .seconds(1))
            return (owner: nil, trouble: nil)
          }
        }
        guard let ended = try await group.next() else { break }
        trouble = trouble ?? ended.trouble
        if let owner = ended.owner {
          if let place = busy.firstIndex(of: owner) { busy.remove(at: place) }
        } else {
          isTicking = false
        }
      }
      group.cancelAll()
      if let trouble { throw trouble }
    }
  }

  private func take(_ busy: [UUID]) async throws -> [Delivery] {
    try await client.query(
      """
      select id, owner, attempt, sent_at, url, secret, payload
      from simplon.take_deliveries(\(Int32(Self.atOnce - busy.count)), \(busy))
      """
    ).map(Delivery.init(row:))
  }

  /// Makes an attempt, and writes down what came of it; gives why that could not be.
  private func send(_ delivery: Delivery) async -> (any Error)? {
    var response: Int32?
    var problem: String?
    do {
      let id = delivery.id.uuidString.lowercased()
      let signature = WebhookSignature.headers(
        id: id, seconds: delivery.seconds, body: delivery.payload, secret: delivery.secret)
      let request = EgressRequest(
        method: "POST", url: try EgressURL(delivery.url),
        headers: [(name: "Content-Type", value: "application/json")] + signature, body: Array(delivery.payload.utf8),
        limit: 1024, owner: delivery.owner, follows: { _ in false })
      let answer = try await egress.send(request, within: Self.patience, EgressCount())
      response = Int32(clamping: answer.status)
    } catch let error as SimplonError {
      problem = error.message
    } catch {
      return error
    }
    Counter(
      label: "simplon_webhook_attempts_total",
      dimensions: [("outcome", response.map { (200...299).contains($0) } == true ? "delivered" : "failed")]
    ).increment()
    do {
      _ = try await client.query(
        "select simplon.settle_delivery(\(delivery.id), \(delivery.attempt), \(response), \(problem))")
      return nil
    } catch {
      return error
    }
  }
}

extension WebhookSender.Delivery {
  fileprivate init(row: PostgresRow) throws(SimplonError) {
    (id, owner, attempt, seconds, url, secret, payload) = try row.decode(
      UUID.self, UUID.self, Int32.self, Int64.self, String.self, String.self, String.self)
  }
}
