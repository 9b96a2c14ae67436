import HTTPTypes
import Hummingbird
import SimplonAgents

extension Route {
  /// `GET /api/v1/webhooks/{webhook_id}`: one webhook.
  static func webhook(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/webhooks/{webhook_id}", methods: [.get], name: "getWebhook", tag: "Webhooks",
      summary: "Shows a webhook", shapes: [Shape(name: "WebhookQuery", fields: [.webhookID])],
      answers: [Answer(status: 200, summary: "the webhook", schema: Schema.reference("Webhook"))],
      handler: .caller { call, principal in
        .json(text: try await registry.webhook(call.uuid("webhook_id"), as: principal))
      })
  }

  /// `PATCH /api/v1/webhooks/{webhook_id}`: changes one.
  static func changeWebhook(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/webhooks/{webhook_id}", methods: [.patch], isSafe: false, name: "changeWebhook", tag: "Webhooks",
      summary: "Changes what is sent; one that is enabled again begins anew",
      shapes: [Shape(name: "ChangeWebhook", fields: [Field.webhookID] + WebhookRequest.fields(isNew: false))],
      answers: [Answer(status: 200, summary: "the webhook", schema: Schema.reference("Webhook"))],
      handler: .caller { call, principal in
        let request = try WebhookRequest(json: call.body(without: "webhook_id"), isNew: false)
        return .json(text: try await registry.change(call.uuid("webhook_id"), request, as: principal))
      })
  }

  /// `DELETE /api/v1/webhooks/{webhook_id}`: deletes one.
  static func deleteWebhook(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/webhooks/{webhook_id}", methods: [.delete], isSafe: false, name: "deleteWebhook", tag: "Webhooks",
      summary: "Deletes a webhook with its deliveries",
      shapes: [Shape(name: "DeleteWebhook", fields: [.webhookID])],
      answers: [Answer(status: 204, summary: "it is gone")],
      handler: .caller { call, principal in
        try await registry.deleteWebhook(call.uuid("webhook_id"), as: principal)
        return Response(status: .noContent)
      })
  }
}
