package import Logging
import SimplonCore

/// Does what steps ask for: looks the tool up, checks its input, runs it and keeps the files it leaves.
package struct ToolBox: Sendable {
  /// The tools of this version, the same on every machine.
  ///
  /// What a call does to a connector is known where connectors are: see the tool box's own.
  package static let catalog = makeCatalog(.none)

  private static func makeCatalog(_ connectors: Connectors) -> ToolCatalog {
    ToolCatalog(
      [
        AskTool.declaration, FilesTool.declaration, HTTPTool.declaration, NoopTool.declaration,
        ProgramTool.python.declaration, RunTool.declaration, ProgramTool.shell.declaration,
        SQLTool.declaration(connectors),
      ] + MemoryTool.declarations)
  }

  /// Where programs run; its level tells whether they do.
  package let sandbox: Sandbox
  /// Where files are kept.
  package let blobs: BlobStore
  /// The tools that plans may use.
  package let catalog: ToolCatalog
  /// Which calls a person has to approve before they are made.
  package let approvals: ApprovalRules
  /// What steps may use by name.
  let connectors: Connectors
  private let http: HTTPTool
  private let sql: SQLTool
  private let memory: MemoryStore?
  private let logger: Logger

  /// Makes a tool box.
  ///
  /// - Parameters:
  ///   - sandbox: where programs run.
  ///   - blobs: where files are kept.
  ///   - connectors: what steps may use by name; whoever makes them runs them.
  ///   - egress: where requests may go.
  ///   - approvals: which calls a person has to approve.
  ///   - memory: what runs remember; without, the tools for it are not there.
  ///   - logger: told of faults of the machine.
  package init(
    sandbox: Sandbox, blobs: BlobStore, connectors: Connectors = .none, egress: EgressRules = .closed,
    approvals: ApprovalRules = .none, memory: MemoryStore? = nil, logger: Logger
  ) {
    self.sandbox = sandbox
    self.blobs = blobs
    catalog = Self.makeCatalog(connectors)
    self.approvals = approvals
    self.connectors = connectors
    http = HTTPTool(
      egress: EgressClient(rules: egress), connectors: connectors, approvals: approvals, blobs: blobs)
    sql = SQLTool(connectors: connectors)
    self.memory = memory
    self.logger = logger
  }

  /// Runs one attempt at a step.
  ///
  /// When the task is cancelled, the sandbox and everything in it are dead before this throws.
  /// - Parameters:
  ///   - tool: its name in the catalog.
  ///   - call: what to do.
  ///   - waiting: told that it waits for a free sandbox, and that it does no more.
  ///   - log: gets the lines that the tool writes, while it runs.
  /// - Returns: the result; a step that failed by its own doing has an `error` in it.
  /// - Throws: `plan.unknown_tool`, `plan.not_supported`; for faults of the machine `tool.unavailable`, `storage.*` and
  ///   `server.internal`; `run.stale` when the lease ran out, `run.interrupted` when something outside ended the tool;
  ///   `CancellationError`.
  package func run(
    tool: String, _ call: ToolCall, waiting: (Bool) -> Void = { _ in }, log: @escaping @Sendable (LogLine) -> Void
  ) async throws -> ToolResult {
    let declaration = try catalog.declaration(named: tool)
    var call = call
    call.timeout = min(call.timeout, declaration.maximumTimeout)
    do {
      try declaration.check(call.input)
      switch tool {
      case AskTool.declaration.name:
        throw SimplonError(.toolUnavailable, "a question is for a person, and no machine answers it")
      case NoopTool.declaration.name: return NoopTool.run(call)
      case FilesTool.declaration.name: return try await FilesTool(blobs: blobs).run(call)
      case HTTPTool.declaration.name: return try await http.run(call)
      case "sql": return try await sql.run(call)
      case RunTool.declaration.name:
        throw SimplonError(.toolUnavailable, "only the worker that holds a run makes runs for it", retry: .backoff)
      case let name where name.hasPrefix("memory."): return try await MemoryTool(store: memory).run(name, call)
      case ProgramTool.python.declaration.name: return try await run(.python, call, waiting, log)
      default: return try await run(.shell, call, waiting, log)
      }
    } catch let error as SimplonError where Self.stepErrors.contains(error.code) {
      return ToolResult(output: .null, error: error)
    } catch let error as SimplonError {
      logger.error(
        "tool could not be run",
        metadata: [
          "run": "\(call.runID)", "step": "\(call.stepID)", "tool": "\(tool)", "error": "\(String(reflecting: error))",
        ])
      throw error
    }
  }

  /// The step's own doing, and settled as its failure.
  private static let stepErrors: Set<SimplonError.Code> = [
    .toolInput, .toolPath, .toolLimit, .toolFailed, .toolTimeout, .toolEgress, .toolConnector, .runArtifactConflict,
  ]
}
