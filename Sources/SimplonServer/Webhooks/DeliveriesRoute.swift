import FoundationEssentials
import HTTPTypes
import Hummingbird
import SimplonAgents
import SimplonCore

extension Route {
  /// `GET /api/v1/webhooks/{webhook_id}/deliveries`: what a webhook was told.
  static func deliveries(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/webhooks/{webhook_id}/deliveries", methods: [.get], name: "listDeliveries", tag: "Webhooks",
      summary: "Lists what a webhook was told, the latest first",
      shapes: [Shape(name: "DeliveryListQuery", fields: [.webhookID, .limit, .cursor])],
      answers: [Answer(status: 200, summary: "the deliveries", schema: Schema.reference("DeliveryList"))],
      handler: .caller { call, principal in
        .json(text: try await registry.deliveries(of: call.uuid("webhook_id"), ListQuery(call), as: principal))
      })
  }

  /// `POST /api/v1/webhooks/{webhook_id}/deliveries`: one of them once more.
  static func redeliver(_ registry: Registry) -> Route {
    Route(
      path: "/api/v1/webhooks/{webhook_id}/deliveries", methods: [.post], isSafe: false, name: "redeliver",
      tag: "Webhooks", summary: "Delivers once more, under the same id, what was delivered or given up",
      shapes: [
        Shape(
          name: "Redeliver",
          fields: [
            .webhookID, Field(name: "delivery_id", kind: .uuid, isRequired: true, summary: "the delivery"),
          ])
      ],
      answers: [Answer(status: 202, summary: "it is due", schema: Schema.reference("Redelivery"))],
      handler: .caller { call, principal in
        let delivery = try call.uuid("delivery_id")
        try await registry.redeliver(delivery, of: call.uuid("webhook_id"), as: principal)
        return .json(
          ["delivery_id": .string(delivery.uuidString.lowercased()), "status": "pending"], status: .accepted)
      })
  }
}
