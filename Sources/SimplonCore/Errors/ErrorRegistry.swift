// check: documented by the meaning that each code carries
/// The one registry of codes. A test prints it to `docs/errors.md` and compares.
extension SimplonError.Code {
  /// Every code, in the order of the manual.
  public static let all: [SimplonError.Code] = [
    .requestInvalid, .requestUnknownField, .requestTooLarge, .requestNotFound, .requestMethod, .requestMediaType,
    .requestRateLimited, .requestCursor, .requestNotSupported, .requestIdempotency, .requestRange, .requestExists,
    .requestQuota,
    .authMissing, .authInvalid, .authExpired, .authForbidden, .authTicket, .authIssuerUnreachable,
    .runNotFound, .runState, .runLogsExpired, .runStale, .runArtifactConflict, .runArtifactNotFound, .runInterrupted,
    .runUnknownEffect, .runLimit, .runChildFailed, .runBudget, .runDeadline, .runQueueFull,
    .agentNotFound, .agentState, .executionNotFound, .executionState,
    .workflowNotFound, .workflowInput, .scheduleNotFound, .webhookNotFound,
    .planInvalid, .planCycle, .planUnknownTool, .planReference, .planTooLarge, .planNotSupported, .planInput,
    .planExpression,
    .toolFailed, .toolTimeout, .toolInput, .toolUnavailable, .toolLimit, .toolPath,
    .toolEgress, .toolConnector, .toolDenied, .toolUnanswered,
    .modelNotConfigured, .modelUnavailable, .modelTimeout, .modelRateLimited, .modelOverloaded, .modelSpendLimit,
    .modelAuth, .modelRequest, .modelContextFull, .modelRefused, .modelProtocol, .modelCoolingDown,
    .modelNoPrice,
    .storageUnavailable, .storageFull, .storageMismatch, .storageDamaged,
    .databaseUnavailable, .databaseBusy, .databaseOutcomeUnknown, .databaseConflict, .databaseConstraint,
    .databasePermission, .databaseTimeout, .databaseQuery, .databaseDecoding, .databaseSchema, .databaseRole,
    .databaseVersion, .databaseClock, .databaseWALHeld, .databaseLongTransaction,
    .configInvalid, .configMissing,
    .devPostgresMissing, .devPostgresFailed, .devPortTaken, .devLocked,
    .migrationChanged, .migrationMissing, .migrationNewer, .migrationForeign, .migrationFailed,
    .schemaLoss, .schemaChanged, .schemaNotSupported, .schemaFailed, .schemaUnequal,
    .serverShutdown, .serverUnreachable, .serverOverloaded, .serverInternal,
  ]

  // request.*: what the caller sent
  public static let requestInvalid = Self("request.invalid", status: 400, "A value of the request is missing or wrong.")
  public static let requestUnknownField = Self(
    "request.unknown_field", status: 400, "The request has a field that is not known.")
  public static let requestTooLarge = Self(
    "request.too_large", status: 413, "The request passes a limit, which the message names.")
  public static let requestNotFound = Self("request.not_found", status: 404, "There is nothing at this path.")
  public static let requestMethod = Self("request.method", status: 405, "The path does not take this method.")
  public static let requestMediaType = Self("request.media_type", status: 415, "The body is not JSON.")
  public static let requestRateLimited = Self(
    "request.rate_limited", status: 429, "Too many requests; wait as `Retry-After` says.")
  public static let requestCursor = Self("request.cursor", status: 400, "The cursor did not come from this list.")
  public static let requestNotSupported = Self(
    "request.not_supported", status: 400, "This part of the API is not there yet.")
  public static let requestIdempotency = Self(
    "request.idempotency_mismatch", status: 422, "The idempotency key was used with another body.")
  public static let requestRange = Self("request.range", status: 416, "The range lies outside of the file.")
  public static let requestExists = Self("request.exists", status: 409, "The caller has one of that name already.")
  public static let requestQuota = Self(
    "request.quota", status: 409, "The caller has as many of these as one may have.")

  // auth.*: who is asking
  public static let authMissing = Self("auth.missing", status: 401, "The request carries no token.")
  public static let authInvalid = Self(
    "auth.invalid", status: 401, "The token was not signed by a trusted issuer for this service.")
  public static let authExpired = Self("auth.expired", status: 401, "The token is outside its time of validity.")
  public static let authForbidden = Self("auth.forbidden", status: 403, "The caller may not do this.")
  public static let authTicket = Self(
    "auth.ticket", status: 401, "The ticket is unknown, used up, expired or for another run.")
  public static let authIssuerUnreachable = Self(
    "auth.issuer_unreachable", status: 503, "The keys of the token's issuer cannot be fetched.")

  // run.*
  public static let runNotFound = Self("run.not_found", status: 404, "There is no such run of the caller.")
  public static let runState = Self("run.state", status: 409, "The run's state does not allow the action.")
  public static let runLogsExpired = Self("run.logs_expired", status: 410, "Events that old are no longer kept.")
  public static let runStale = Self(
    "run.stale", status: 409, "Another worker holds the run by now; nothing was written.")
  public static let runArtifactConflict = Self(
    "run.artifact_conflict", status: 409, "Two parallel steps wrote the same path with different content.")
  public static let runArtifactNotFound = Self(
    "run.artifact_not_found", status: 404, "There is no such artifact of the caller.")
  public static let runInterrupted = Self("run.interrupted", status: 409, "A step was stopped before it ended.")
  public static let runUnknownEffect = Self(
    "run.unknown_effect", status: 409, "It is unknown whether an effect happened; it is not repeated blindly.")
  public static let runLimit = Self(
    "run.limit", status: 422, "The run has taken as many questions or steps, or made as many runs, as it may.")
  public static let runChildFailed = Self(
    "run.child_failed", status: 422, "The run that a step made has failed or was stopped.")
  public static let runBudget = Self(
    "run.budget", status: 402, "The next question to a model could pass a cap, which the message names.")
  public static let runDeadline = Self("run.deadline", status: 422, "The run was not over at its deadline.")
  public static let runQueueFull = Self(
    "run.queue_full", status: 429, "As many runs are queued as may be; wait as `Retry-After` says.")

  // agent.*, execution.*: the registry
  public static let agentNotFound = Self(
    "agent.not_found", status: 404, "There is no such agent that the caller may see.")
  public static let agentState = Self("agent.state", status: 409, "The agent's state does not allow it.")
  public static let executionNotFound = Self(
    "execution.not_found", status: 404, "There is no such execution of the caller.")
  public static let executionState = Self(
    "execution.state", status: 409, "The execution has ended, follows a run, or its name is taken.")

  // workflow.*, schedule.*, webhook.*: what callers save
  public static let workflowNotFound = Self(
    "workflow.not_found", status: 404, "There is no such workflow of the caller.")
  public static let workflowInput = Self("workflow.input", status: 422, "The inputs do not fit the workflow.")
  public static let scheduleNotFound = Self(
    "schedule.not_found", status: 404, "There is no such schedule of the caller.")
  public static let webhookNotFound = Self(
    "webhook.not_found", status: 404, "There is no such webhook, or delivery of one, of the caller.")

  // plan.*
  public static let planInvalid = Self("plan.invalid", status: 400, "The plan is not well-formed.")
  public static let planCycle = Self("plan.cycle", status: 400, "The plan's steps need each other in a circle.")
  public static let planUnknownTool = Self("plan.unknown_tool", status: 400, "A step names a tool that does not exist.")
  public static let planReference = Self(
    "plan.reference", status: 400, "A step refers to a step that is not there or that it does not need.")
  public static let planTooLarge = Self(
    "plan.too_large", status: 413, "The plan passes a limit, which the message names.")
  public static let planNotSupported = Self(
    "plan.not_supported", status: 400, "The plan uses a part that is not there yet.")
  public static let planInput = Self("plan.input", status: 400, "A step's input does not fit its tool.")
  public static let planExpression = Self("plan.expression", status: 400, "An expression cannot be read or evaluated.")

  // tool.*
  public static let toolFailed = Self("tool.failed", status: 422, "The tool ran and failed.")
  public static let toolTimeout = Self("tool.timeout", status: 422, "The tool passed its time limit and was killed.")
  public static let toolInput = Self("tool.input", status: 422, "The tool cannot work with this input.")
  public static let toolUnavailable = Self("tool.unavailable", status: 503, "The tool cannot run on this machine.")
  public static let toolLimit = Self("tool.limit", status: 422, "The tool passed a limit, such as one of its sandbox.")
  public static let toolPath = Self("tool.path", status: 422, "A path leaves the work folder or is not a plain file.")
  public static let toolEgress = Self(
    "tool.egress", status: 403, "The operator's rules let no request go to this host, port or address.")
  public static let toolConnector = Self(
    "tool.connector", status: 403, "The run may not use this connector, or not in this way.")
  public static let toolDenied = Self(
    "tool.denied", status: 403, "A person denied the call, or nobody approved it in time.")
  public static let toolUnanswered = Self("tool.unanswered", status: 422, "Nobody answered the question in time.")

  // model.*
  public static let modelNotConfigured = Self(
    "model.not_configured", status: 409, "A prompt needs a model, and none is configured.")
  public static let modelUnavailable = Self(
    "model.unavailable", status: 503, "The model's server cannot be reached, broke off or failed.")
  public static let modelTimeout = Self(
    "model.timeout", status: 504, "The model's server was silent for too long, or its answer took too long.")
  public static let modelRateLimited = Self(
    "model.rate_limited", status: 429, "The model's vendor limits how much is asked at a time.")
  public static let modelOverloaded = Self(
    "model.overloaded", status: 503, "The model's server has more to do than it can.")
  public static let modelSpendLimit = Self(
    "model.spend_limit", status: 402, "The vendor's limit of spending is reached; a person has to raise it.")
  public static let modelAuth = Self("model.auth", status: 502, "The model's server refused our key.")
  public static let modelRequest = Self("model.request", status: 502, "The model's server refused our request.")
  public static let modelContextFull = Self(
    "model.context_full", status: 422, "The transcript is longer than what the model can read.")
  public static let modelRefused = Self("model.refused", status: 422, "The model, or its vendor, declines to answer.")
  public static let modelProtocol = Self("model.protocol", status: 502, "The model's answer cannot be read.")
  public static let modelCoolingDown = Self(
    "model.cooling_down", status: 503, "No configured model can be asked now; `details.models` says why.")
  public static let modelNoPrice = Self(
    "model.no_price", status: 409, "The model has no price, so it cannot be asked under a cap.")

  // storage.*
  public static let storageUnavailable = Self("storage.unavailable", status: 503, "The file store cannot be reached.")
  public static let storageFull = Self("storage.full", status: 507, "The disk is full.")
  public static let storageMismatch = Self(
    "storage.mismatch", status: 500, "The file store belongs to another database.")
  public static let storageDamaged = Self("storage.damaged", status: 500, "A stored file is not what its hash says.")

  // database.*
  public static let databaseUnavailable = Self("database.unavailable", status: 503, "PostgreSQL cannot be reached.")
  public static let databaseBusy = Self("database.busy", status: 503, "No connection came free in time.")
  public static let databaseOutcomeUnknown = Self(
    "database.outcome_unknown", status: 503, "The connection broke while a commit was under way: it may have happened.")
  public static let databaseConflict = Self(
    "database.conflict", status: 409, "A concurrent transaction got in the way.")
  public static let databaseConstraint = Self("database.constraint", status: 409, "The data breaks a constraint.")
  public static let databasePermission = Self(
    "database.permission", status: 403, "PostgreSQL refuses this to the caller's role.")
  public static let databaseTimeout = Self("database.timeout", status: 504, "The statement passed its time limit.")
  public static let databaseQuery = Self("database.query", status: 500, "PostgreSQL refused a statement.")
  public static let databaseDecoding = Self(
    "database.decoding", status: 500, "A column does not hold what the code expects.")
  public static let databaseSchema = Self(
    "database.schema", status: 503, "The database's schema is not what this binary needs.")
  public static let databaseRole = Self(
    "database.role", status: 500, "The database login has rights that it must not have.")
  public static let databaseVersion = Self(
    "database.version", status: 500, "The PostgreSQL server is older than 15.")
  public static let databaseClock = Self(
    "database.clock", status: 500, "The clocks of this machine and of the database differ.")
  public static let databaseWALHeld = Self(
    "database.wal_held", status: 500, "A replication slot keeps the database's write-ahead log from being removed.")
  public static let databaseLongTransaction = Self(
    "database.long_transaction", status: 500, "A transaction has been open for long, which keeps dead rows.")

  // config.*
  public static let configInvalid = Self("config.invalid", status: 500, "A configuration value is outside its range.")
  public static let configMissing = Self("config.missing", status: 500, "A configuration value is needed and not set.")

  // dev.*: the private PostgreSQL
  public static let devPostgresMissing = Self(
    "dev.postgres_missing", status: 500, "No PostgreSQL 15 or newer was found on this machine.")
  public static let devPostgresFailed = Self(
    "dev.postgres_failed", status: 500, "The private PostgreSQL did not start.")
  public static let devPortTaken = Self("dev.port_taken", status: 500, "The port is in use.")
  public static let devLocked = Self("dev.locked", status: 500, "Another Simplon works in this folder.")

  // migration.*
  public static let migrationChanged = Self(
    "migration.changed", status: 500, "An applied migration's text has changed.")
  public static let migrationMissing = Self("migration.missing", status: 500, "A migration or its undo is not there.")
  public static let migrationNewer = Self("migration.newer", status: 500, "The database is newer than this binary.")
  public static let migrationForeign = Self(
    "migration.foreign", status: 500, "The database has tables of the same name that are not ours.")
  public static let migrationFailed = Self("migration.failed", status: 500, "A migration failed and was undone.")

  // schema.*: two databases compared
  public static let schemaLoss = Self(
    "schema.loss", status: 409, "Data would be lost, or stands in the way of the change.")
  public static let schemaChanged = Self(
    "schema.changed", status: 409, "A database has changed since the plan was made; nothing was done.")
  public static let schemaNotSupported = Self(
    "schema.not_supported", status: 409, "The difference cannot be taken away while the rows stay.")
  public static let schemaFailed = Self(
    "schema.failed", status: 409, "PostgreSQL refused a step of the plan; it was undone.")
  public static let schemaUnequal = Self(
    "schema.unequal", status: 409, "Something would still differ after the plan; it was undone.")

  // server.*
  public static let serverShutdown = Self("server.shutdown", status: 503, "The server is stopping; connect again.")
  public static let serverUnreachable = Self("server.unreachable", status: 503, "The server cannot be reached.")
  public static let serverOverloaded = Self(
    "server.overloaded", status: 503, "The database is slow, and no further runs are taken for the moment.")
  public static let serverInternal = Self(
    "server.internal", status: 500, "A fault of ours; the log has it under the request's id.")
}
