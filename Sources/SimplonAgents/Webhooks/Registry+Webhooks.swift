package import FoundationEssentials
import SimplonCore
package import SimplonIdentity
import SimplonPostgres

extension Registry {
  private static let webhook = """
    jsonb_build_object('webhook_id', w.id, 'url', w.url, 'events', w.events, 'description', w.description,
      'enabled', w.enabled, 'failures', w.failures, 'created_at', w.created_at, 'updated_at', w.updated_at)
    """

  /// Makes a webhook of the caller's; gives it as JSON text, with the secret, which is never shown again.
  ///
  /// - Throws: `request.quota`; `request.invalid` for an address where none may be.
  package func save(_ request: WebhookRequest, as caller: Principal) async throws -> String {
    try request.check(allowsPrivate: webhooksAllowPrivate)
    var generator = SystemRandomNumberGenerator()
    let secret = WebhookSignature.newSecret(using: &generator)
    let rows = try await database.rows("select simplon.save_webhook(\(request.json), \(secret))", as: caller)
    let id = try rows.one(from: "simplon.save_webhook").decode(UUID.self)
    return try await webhook(id, after: nil, secret: secret, as: caller)
  }

  /// Changes a webhook of the caller's.
  ///
  /// - Throws: `webhook.not_found`; `request.invalid` for an address where none may be.
  package func change(_ webhook: UUID, _ request: WebhookRequest, as caller: Principal) async throws -> String {
    try request.check(allowsPrivate: webhooksAllowPrivate)
    let changing: PostgresQuery = "select simplon.change_webhook(\(webhook), \(request.json))"
    return try await self.webhook(webhook, after: changing, as: caller)
  }

  /// Deletes a webhook of the caller's with its deliveries.
  ///
  /// - Throws: `webhook.not_found`.
  package func deleteWebhook(_ webhook: UUID, as caller: Principal) async throws {
    try await database.rows("select simplon.delete_webhook(\(webhook))", as: caller)
  }

  /// One webhook of the caller's.
  ///
  /// - Throws: `webhook.not_found`.
  package func webhook(_ webhook: UUID, as caller: Principal) async throws -> String {
    try await self.webhook(webhook, after: nil, as: caller)
  }

  /// The caller's webhooks, the last one first, as `{"webhooks": […], "next_cursor": …}`.
  ///
  /// - Throws: `request.cursor`.
  package func webhooks(_ query: ListQuery, as caller: Principal) async throws -> String {
    let before = try query.id(of: "webhooks")
    let page: PostgresQuery = """
      select row_number() over (order by w.id desc) as place, w.id::text as key,
        (\(unsafeSQL: Self.webhook))::text as json
      from agent_webhooks w where w.id < \(before) and w.user_id is not distinct from auth.uid()
      order by w.id desc limit \(query.limit + 1)
      """
    return try RunPage(await database.rows(RunPage.query(page), as: caller), limit: query.limit)
      .json("webhooks", of: "webhooks")
  }

  /// What a webhook of the caller's was told, the latest first, as `{"deliveries": […], "next_cursor": …}`.
  ///
  /// - Throws: `request.cursor`, `webhook.not_found`.
  package func deliveries(of webhook: UUID, _ query: ListQuery, as caller: Principal) async throws -> String {
    let before = try query.id(of: "deliveries")
    let page: PostgresQuery = """
      select row_number() over (order by d.id desc) as place, d.id::text as key, json_build_object(
        'delivery_id', d.id, 'event', d.event, 'run_id', d.run_id, 'payload', d.payload, 'status', d.status,
        'attempts', d.attempts, 'next_attempt_at', case when d.status = 'pending' then d.next_attempt_at end,
        'response_status', d.response_status, 'error', d.error, 'created_at', d.created_at,
        'delivered_at', d.delivered_at)::text as json
      from agent_webhook_deliveries d
      where d.webhook_id = \(webhook) and d.id < \(before) and d.user_id is not distinct from auth.uid()
      order by d.id desc limit \(query.limit + 1)
      """
    let answers = try await database.all([Self.query(webhook), RunPage.query(page)], as: caller)
    guard answers.first?.isEmpty == false, let rows = answers.last else { throw Self.none(webhook) }
    return try RunPage(rows, limit: query.limit).json("deliveries", of: "deliveries")
  }

  /// Delivers once more, under the same id, what a webhook of the caller's was told.
  ///
  /// - Throws: `webhook.not_found`; `request.invalid` when the webhook is not enabled.
  package func redeliver(_ delivery: UUID, of webhook: UUID, as caller: Principal) async throws {
    try await database.rows("select simplon.redeliver(\(webhook), \(delivery))", as: caller)
  }

  private func webhook(
    _ webhook: UUID, after change: PostgresQuery?, secret: String? = nil, as caller: Principal
  ) async throws -> String {
    let rows = try await database.rows(change, Self.query(webhook, secret: secret), as: caller)
    guard let row = rows.first else { throw Self.none(webhook) }
    return try row.decode(String.self)
  }

  private static func query(_ webhook: UUID, secret: String? = nil) -> PostgresQuery {
    """
    select (\(unsafeSQL: Self.webhook) || jsonb_strip_nulls(jsonb_build_object('secret', \(secret)::text)))::text
    from agent_webhooks w where w.id = \(webhook) and w.user_id is not distinct from auth.uid()
    """
  }

  private static func none(_ webhook: UUID) -> SimplonError {
    SimplonError(
      .webhookNotFound, "there is no webhook \(webhook.uuidString.lowercased()) of yours",
      hint: "GET /api/v1/webhooks lists yours.")
  }
}
