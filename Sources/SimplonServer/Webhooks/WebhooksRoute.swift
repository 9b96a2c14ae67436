import HTTPTypes
import Hummingbird
import SimplonAgents
import SimplonCore

extension Field {
  static let webhookID = Field(name: "webhook_id", kind: .uuid, isRequired: true, summary: "the webhook")
}

extension Route {
  /// `GET /api/v1/webhooks`: the caller's webhooks.
  static func webhooks(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/webhooks", methods: [.get], name: "listWebhooks", tag: "Webhooks",
      summary: "Lists the caller's webhooks, the last one first",
      shapes: [Shape(name: "WebhookListQuery", fields: [.limit, .cursor])],
      answers: [Answer(status: 200, summary: "the webhooks", schema: Schema.reference("WebhookList"))],
      handler: .caller { call, principal in .json(text: try await registry.webhooks(ListQuery(call), as: principal)) })
  }

  /// `POST /api/v1/webhooks`: makes one.
  static func saveWebhook(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/webhooks", methods: [.post], isSafe: false, name: "saveWebhook", tag: "Webhooks",
      summary: "Makes a webhook for the caller's runs; the answer alone holds its secret",
      shapes: [Shape(name: "SaveWebhook", fields: WebhookRequest.fields(isNew: true))],
      answers: [Answer(status: 201, summary: "the webhook", schema: Schema.reference("Webhook"))],
      handler: .caller { call, principal in
        let request = try WebhookRequest(json: .object(call.fields), isNew: true)
        return .json(text: try await registry.save(request, as: principal), status: .created)
      })
  }
}
