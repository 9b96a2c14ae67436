import FoundationEssentials
import HTTPTypes
import Hummingbird
import SimplonAgents
import SimplonCore
import SimplonIdentity

extension Route {
  /// `/agent/execute`: makes a run, or tells one what to do.
  static func execute(_ runs: Runs) -> Route {
    Route(
      path: "/agent/execute", functionPath: "/functions/v1/agent-execute", isSafe: false, name: "executeRun",
      tag: "Runs",
      summary: "Makes a run, tells one to start, stop, retry or resume, responds to its question, or forks it",
      shapes: [
        Shape(
          name: "CreateRun",
          fields: [
            Field(name: "action", kind: .choice(["create"]), isRequired: true, summary: "what to do"),
            Field(name: "prompt", kind: .text(maximum: 1 << 20), summary: "what a model shall do; this or a plan"),
            Field(name: "plan", kind: .object(schema: "Plan"), summary: "the steps to run; this or a prompt"),
            Field(name: "workflow", kind: .name, summary: "a saved workflow to run; this, a plan or a prompt"),
            Field(name: "inputs", kind: .object(), summary: "the workflow's inputs; at most 60,000 bytes"),
            Field(name: "agent", kind: .text(maximum: 255), summary: "the agent that shall do it"),
            Field(
              name: "model", kind: .text(maximum: 263),
              summary: "the model to ask, such as anthropic/claude-sonnet-4-5; left out, those of the configuration"),
            Field(name: "tools", kind: .texts, summary: "the only tools it may use"),
            Field(
              name: "connectors", kind: .texts, summary: "the only connectors it may use; left out, all that serve you"
            ),
            Field(
              name: "budget", kind: .object(schema: "Budget"), summary: "what it may cost, and how far it may go"),
            Field(name: "metadata", kind: .object(), summary: "anything of yours, given back; at most 64 KiB"),
            Field(name: "project_id", kind: .uuid, summary: "the app's thing that it is about"),
            Field(name: "start", kind: .boolean, summary: "false leaves it pending; true by default"),
          ],
          later: ["approval"]),
        Shape(
          name: "ActOnRun",
          fields: [
            Field(
              name: "action", kind: .choice(["start", "stop", "retry", "resume"]),
              isRequired: true, summary: "what to do"),
            Field(name: "run_id", kind: .uuid, isRequired: true, summary: "the run"),
            Field(
              name: "budget", kind: .object(schema: "Budget"), summary: "resume: what changes in the run's budget"),
          ]),
        Shape(
          name: "RespondToRun",
          fields: [
            Field(name: "action", kind: .choice(["respond"]), isRequired: true, summary: "what to do"),
            Field(name: "run_id", kind: .uuid, isRequired: true, summary: "the run"),
            Field(name: "step_id", kind: .text(maximum: 128), isRequired: true, summary: "the step that asks"),
            Field(
              name: "attempt", kind: .integer(1...Int(Int32.max)),
              summary: "the run's attempt in which it asked; another one's question is not responded to"),
            Field(
              name: "answer", kind: .any,
              summary: "what a step of the tool ask gets: a text, one of its choices, or what fits its schema; 64 KiB"),
            Field(
              name: "decision", kind: .choice(["approve", "deny", "happened", "again"]),
              summary: "whether a step may make its call; of one whose effect is unknown, whether it happened"),
            Field(
              name: "output", kind: .any, summary: "happened: what the step gives; null if left out; 64 KiB"),
            Field(
              name: "message", kind: .text(maximum: RunResponse.messageLimit),
              summary: "why; a model is told it when its call is denied"),
          ]),
        Shape(
          name: "ForkRun",
          fields: [
            Field(name: "action", kind: .choice(["fork"]), isRequired: true, summary: "what to do"),
            Field(name: "run_id", kind: .uuid, isRequired: true, summary: "the run from which the new one comes"),
            Field(
              name: "step_id", kind: .text(maximum: 255),
              summary: "the step at which it begins; left out, where the run stands"),
            Field(
              name: "at_message", kind: .integer(1...Int(Int32.max)),
              summary: "the last message that it keeps, instead of a step"),
            Field(name: "message", kind: .text(maximum: 1 << 20), summary: "what it is told there"),
            Field(name: "model", kind: .text(maximum: 263), summary: "the model that it asks from there on"),
            Field(name: "output", kind: .any, summary: "what the step gives, instead of doing it again; 1 MiB"),
            Field(name: "prompt", kind: .text(maximum: 1 << 20), summary: "another prompt; then nothing else is kept"),
          ]),
        Shape(
          name: "SnapshotRun",
          fields: [
            Field(name: "action", kind: .choice(["snapshot"]), isRequired: true, summary: "what to do"),
            Field(name: "run_id", kind: .uuid, isRequired: true, summary: "the run"),
          ]),
      ],
      headers: [
        Field(
          name: "Idempotency-Key", kind: .text(maximum: 255),
          summary: "create: the same key with the same body gives the same run, once; printable ASCII")
      ],
      answers: [
        Answer(status: 201, summary: "the run was made", schema: Schema.reference("RunReceipt")),
        Answer(
          status: 200, summary: "the same key's run, the run's new status, the new run of a fork, or a snapshot",
          schema: ["anyOf": [Schema.reference("RunReceipt"), Schema.reference("RunAction")]]),
      ],
      handler: .caller { call, principal in
        var fields = call.fields
        let action = fields.removeValue(forKey: "action")?.string ?? ""
        if action == "respond" {
          let run = try call.uuid("run_id")
          fields["run_id"] = nil
          let status = try await runs.respond(RunResponse(json: .object(fields)), to: run, as: principal)
          return .json(["run_id": .string(run.uuidString.lowercased()), "status": .string(status)])
        }
        if action == "fork" {
          let run = try call.uuid("run_id")
          fields["run_id"] = nil
          let fork = try await runs.fork(run, fields, as: principal)
          return .json(["run_id": .string(fork.run.uuidString.lowercased()), "status": .string(fork.status)])
        }
        if action == "snapshot" {
          let run = try call.uuid("run_id")
          let taken = try await runs.snapshot(run, as: principal)
          return .json([
            "run_id": .string(run.uuidString.lowercased()), "status": .string(taken.status),
            "snapshot_id": .string(taken.snapshot.uuidString.lowercased()),
          ])
        }
        guard let action = RunAction(rawValue: action) else {
          let receipt = try await runs.create(
            CreateRun(json: .object(fields)), idempotencyKey: call.request.headers[.idempotencyKey], as: principal)
          return .json(
            [
              "run_id": .string(receipt.runID.uuidString.lowercased()), "status": .string(receipt.status),
              "created_at": .string(receipt.createdAt),
            ], status: receipt.isNew ? .created : .ok)
        }
        let run = try call.uuid("run_id")
        let budget = try call.fields["budget"].map { json throws(SimplonError) in try Budget(json: json) }
        let status = try await runs.act(action, on: run, within: budget, as: principal)
        return .json(["run_id": .string(run.uuidString.lowercased()), "status": .string(status)])
      })
  }
}
