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
    let attempt: Int32
    let seconds: Int64
    let url: String
    let secret: String
    let payload: String
  }

  /// Makes a sender that goes by the rules for addresses, and not by the operator's list of hosts.
  init(client: PostgresClient, allowsPrivate: Bool) {
    self.client = client
    self.egress = EgressClient(rules: .anywhere(allowsPrivate: allowsPrivate), followsRedirects: false)
  }

  /// Makes an attempt at everything that is due.
  func deliver() async throws {
    while !Task.isCancelled {
      let due = try await client.query(
        """
        select id, attempt, sent_at, url, secret, payload from simplon.take_deliveries(\(Int32(Self.atOnce)))
        """
      ).map(Delivery.init(row:))
      try await withThrowingDiscardingTaskGroup { group in
        for delivery in due { group.addTask { try await send(delivery) } }
      }
      guard due.count == Self.atOnce else { return }
    }
  }

  private func send(_ delivery: Delivery) async throws {
    var response: Int32?
    var problem: String?
    do {
      let id = delivery.id.uuidString.lowercased()
      let signature = WebhookSignature.headers(
        id: id, seconds: delivery.seconds, body: delivery.payload, secret: delivery.secret)
      let request = EgressRequest(
        method: "POST", url: try EgressURL(delivery.url),
        headers: [(name: "Content-Type", value: "application/json")] + signature, body: Array(delivery.payload.utf8),
        limit: 1024)
      let answer = try await egress.send(request, within: Self.patience, EgressCount())
      response = Int32(clamping: answer.status)
    } catch let error as SimplonError {
      problem = error.message
    }
    Counter(
      label: "simplon_webhook_attempts_total",
      dimensions: [("outcome", response.map { (200...299).contains($0) } == true ? "delivered" : "failed")]
    ).increment()
    _ = try await client.query(
      "select simplon.settle_delivery(\(delivery.id), \(delivery.attempt), \(response), \(problem))")
  }
}

extension WebhookSender.Delivery {
  fileprivate init(row: PostgresRow) throws(SimplonError) {
    (id, attempt, seconds, url, secret, payload) = try row.decode(
      UUID.self, Int32.self, Int64.self, String.self, String.self, String.self)
  }
}
