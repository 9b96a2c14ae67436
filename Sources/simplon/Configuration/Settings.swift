import SimplonCore

/// Every key there is. A test prints this list to `docs/configuration.md` and compares.
extension Setting {
  static let all: [Setting] =
    database + project + server + worker + tools + models + money + memory + logging + notYet

  // MARK: The agents' database

  static let database = [
    databaseURL, directURL, dbHost, dbPort, dbName, dbUser, dbPass, dbPassword, apiPassword, workerPassword, schema,
    connections, pooler, statementTimeout, connectionTimeout,
  ]
  static let databaseURL = Setting(
    name: "DATABASE_URL", kind: .database, isSecret: true, summary: "The agents' database, as libpq takes it.")
  static let directURL = Setting(
    name: "DATABASE_DIRECT_URL", kind: .database, isSecret: true,
    summary: "The same database past a transaction pooler: for notifications and simplon db. Without, servers poll.")
  static let dbHost = Setting(
    name: "SUPABASE_DB_HOST", kind: .text, summary: "The database's host, when DATABASE_URL is not set.")
  static let dbPort = Setting(
    name: "SUPABASE_DB_PORT", kind: .integer(1...65535), fallback: "5432", summary: "Its port.")
  static let dbName = Setting(name: "SUPABASE_DB_NAME", kind: .text, fallback: "postgres", summary: "Its database.")
  static let dbUser = Setting(name: "SUPABASE_DB_USER", kind: .text, fallback: "postgres", summary: "Its login.")
  static let dbPass = Setting(
    name: "SUPABASE_DB_PASS", kind: .text, isSecret: true, summary: "The login's password.")
  static let dbPassword = Setting(
    name: "SUPABASE_DB_PASSWORD", kind: .text, isSecret: true, summary: "The same; SUPABASE_DB_PASS beats it.")
  static let apiPassword = Setting(
    name: "SIMPLON_API_PASSWORD", kind: .text, isSecret: true,
    summary: "The password of the login simplon_api, which serves callers; `simplon db push` prints it once.")
  static let workerPassword = Setting(
    name: "SIMPLON_WORKER_PASSWORD", kind: .text, isSecret: true,
    summary: "The password of the login simplon_worker, which runs the engine; `simplon db push` prints it once.")
  static let schema = Setting(
    name: "SUPABASE_AGENT_SCHEMA", kind: .schema, fallback: "public", summary: "The schema of the agents' tables.")
  static let connections = Setting(
    name: "SIMPLON_CONNECTIONS", kind: .integer(1...100), fallback: "4",
    summary:
      "Shared connections to the database for callers, and as many for the engine; a worker has two more for memory.")
  static let pooler = Setting(
    name: "SIMPLON_POOLER", kind: .flag, fallback: "false",
    summary: "Whether DATABASE_URL goes through a transaction pooler (Supabase's port 6543, pgbouncer).")
  static let statementTimeout = Setting(
    name: "SIMPLON_STATEMENT_TIMEOUT", kind: .duration(.milliseconds(100)...(.seconds(600))), fallback: "10s",
    summary: "How long one statement of a caller may take.")
  static let connectionTimeout = Setting(
    name: "SUPABASE_CONNECTION_TIMEOUT", kind: .seconds(1...600), fallback: "30",
    summary: "How long connecting to the database may take.")

  // MARK: Who is trusted

  static let project = [url, anonKey, serviceKey, jwtSecret, issuers, enableRLS, enableIntegration]
  static let url = Setting(
    name: "SUPABASE_URL", kind: .url,
    summary: "The URL of the agents' project, needed to serve: its tokens' issuer is this and `/auth/v1`.")
  static let anonKey = Setting(
    name: "SUPABASE_ANON_KEY", kind: .text, isSecret: true, summary: "The project's publishable or anon key.")
  static let serviceKey = Setting(
    name: "SUPABASE_SERVICE_ROLE_KEY", kind: .text, isSecret: true, summary: "The project's secret or service key.")
  static let jwtSecret = Setting(
    name: "SUPABASE_JWT_SECRET", kind: .text, isSecret: true,
    summary: """
      The secret of the project's HS256 tokens, at least 32 bytes. Without it, or over https, the JWKS is fetched too.
      """)
  static let issuers = Setting(
    name: "SIMPLON_ISSUERS", kind: .text, isSecret: true,
    summary: "Further trusted issuers, a JSON array; see docs/identity.md.")
  static let enableRLS = Setting(
    name: "SUPABASE_ENABLE_RLS", kind: .flag, fallback: "true",
    summary: "Row level security. `false` is refused: it is what keeps users apart.")
  static let enableIntegration = Setting(
    name: "ENABLE_SUPABASE_INTEGRATION", kind: .flag, fallback: "true",
    summary: "`false` is refused: the database is the service.")

  // MARK: The HTTP server

  static let server = [
    host, port, roles, origins, principalRate, addressRate, proxies, queuePerUser, queueTotal, intakePatience,
  ]
  static let host = Setting(
    name: "SIMPLON_HOST", kind: .text, fallback: "127.0.0.1", summary: "The address to listen on.")
  static let port = Setting(
    name: "SIMPLON_PORT", kind: .integer(0...65535), fallback: "54321",
    summary: "The port to listen on; 0: any free one. Where only a worker runs, it has health, readiness and metrics.")
  static let roles = Setting(
    name: "SIMPLON_ROLES", kind: .list, fallback: "api,worker", summary: "What the process does: api, worker, or both.")
  static let origins = Setting(
    name: "SIMPLON_CORS_ORIGINS", kind: .origins, fallback: "",
    summary: "Origins whose pages may call, such as `https://app.example.com`; `*` alone: all, without credentials.")
  static let principalRate = Setting(
    name: "SIMPLON_RATE_PER_PRINCIPAL", kind: .integer(0...1_000_000), fallback: "100",
    summary: "Requests per second of one caller, with twice as many at once; 0: no limit.")
  static let addressRate = Setting(
    name: "SIMPLON_RATE_PER_ADDRESS", kind: .integer(0...1_000_000), fallback: "200",
    summary: "Requests per second of one address, with twice as many at once; 0: no limit.")
  static let proxies = Setting(
    name: "SIMPLON_TRUSTED_PROXIES", kind: .integer(0...10), fallback: "0",
    summary: "How many reverse proxies stand in front, each adding to X-Forwarded-For.")
  static let queuePerUser = Setting(
    name: "SIMPLON_QUEUE_PER_USER", kind: .integer(0...100_000_000), fallback: "100000",
    summary: "Runs of one user that may be queued; further ones are refused for a while. 0: no limit.")
  static let queueTotal = Setting(
    name: "SIMPLON_QUEUE_TOTAL", kind: .integer(0...100_000_000), fallback: "1000000",
    summary: "Runs of all users that may be queued. 0: no limit.")
  static let intakePatience = Setting(
    name: "SIMPLON_INTAKE_PATIENCE", kind: .duration(.milliseconds(100)...(.seconds(60))), fallback: "2s",
    summary: "How long making a run may take: two of one user over it, or half of all users and four or more, and no "
      + "more are taken.")

  // MARK: The worker

  static let worker = [
    data, slots, runsPerUser, runsTotal, sandboxes, lease, grace, logRetention, runRetention, metricRetention,
    auditRetention, agentTimeout, unsandboxed,
  ]
  static let data = Setting(
    name: "SIMPLON_DATA", kind: .text, fallback: ".simplon",
    summary: "The folder for files and work folders; workers and API share it, also across hosts.")
  static let slots = Setting(
    name: "SIMPLON_SLOTS", kind: .integer(1...10_000), fallback: "64", summary: "Runs that one worker has at once.")
  static let runsPerUser = Setting(
    name: "SIMPLON_RUNS_PER_USER", kind: .integer(1...1_000_000),
    summary: "Runs of one user that all workers together have at once; not set: as many as there are slots. "
      + "The same on all workers.")
  static let runsTotal = Setting(
    name: "SIMPLON_RUNS_TOTAL", kind: .integer(1...1_000_000),
    summary: "Runs of all users that all workers together have at once; not set: as many as there are slots. "
      + "The same on all workers.")
  static let sandboxes = Setting(
    name: "SIMPLON_SANDBOXES", kind: .integer(1...10_000),
    summary: "Programs that one worker runs at once, one user's at most all but one; further steps wait, their users "
      + "take turns. Not set: two per processor.")
  static let lease = Setting(
    name: "SIMPLON_LEASE", kind: .duration(.seconds(1)...(.seconds(3600))), fallback: "30s",
    summary: "How long a run stays a silent worker's. It is renewed every third of it.")
  static let grace = Setting(
    name: "SIMPLON_GRACE", kind: .duration(.zero...(.seconds(3600))), fallback: "20s",
    summary: "How long running steps may go on after the process was told to stop.")
  static let logRetention = Setting(
    name: "SIMPLON_LOG_RETENTION", kind: .duration(.seconds(86_400)...(.seconds(315_360_000))),
    summary: "How long events are kept, by whole months; not set: for ever.")
  static let runRetention = Setting(
    name: "SIMPLON_RUN_RETENTION", kind: .duration(.seconds(86_400)...(.seconds(315_360_000))),
    summary: "How long finished runs are kept, with their steps, events and files; not set: for ever.")
  static let metricRetention = Setting(
    name: "SIMPLON_METRIC_RETENTION", kind: .duration(.seconds(86_400)...(.seconds(315_360_000))),
    summary: "How long agents' metrics are kept per hour, by whole months, before they are archived as one a day; "
      + "and how long readings of the system's health are kept; not set: for ever.")
  static let auditRetention = Setting(
    name: "SIMPLON_AUDIT_RETENTION", kind: .duration(.seconds(86_400)...(.seconds(315_360_000))),
    summary: "How long the audit log is kept, by whole months; not set: for ever.")
  static let agentTimeout = Setting(
    name: "SIMPLON_AGENT_TIMEOUT", kind: .duration(.seconds(10)...(.seconds(604_800))), fallback: "5m",
    summary: "After how long without a sign of life a registered agent is offline.")
  static let unsandboxed = Setting(
    name: "SIMPLON_ALLOW_UNSANDBOXED", kind: .flag, fallback: "false",
    summary: "Runs programs without a sandbox where none can be made. Whoever may create runs then rules the machine.")

  // MARK: What tools may reach

  static let tools = [egressAllow, egressAllowPrivate, connectors, approvals, webhookAllowPrivate]
  static let egressAllow = Setting(
    name: "SIMPLON_EGRESS_ALLOW", kind: .list, fallback: "",
    summary: "Hosts that the tool http may call: `api.example.com`, `*.example.com` or `*`, on ports 80 and 443 or "
      + "with `:port`. Not set: none. See docs/plans.md.")
  static let egressAllowPrivate = Setting(
    name: "SIMPLON_EGRESS_ALLOW_PRIVATE", kind: .flag, fallback: "false",
    summary: "Lets those hosts be on this machine or in private networks too.")
  static let connectors = Setting(
    name: "SIMPLON_CONNECTORS", kind: .text, isSecret: true,
    summary: "What steps may use by name, with credentials that they never see; a JSON array, see docs/plans.md.")

  static let approvals = Setting(
    name: "SIMPLON_APPROVALS", kind: .text,
    summary: "Which calls a person has to approve, such as `[{\"tool\": \"shell\"}]`; a JSON array, see docs/plans.md.")
  static let webhookAllowPrivate = Setting(
    name: "SIMPLON_WEBHOOK_ALLOW_PRIVATE", kind: .flag, fallback: "false",
    summary: "Lets webhooks be on this machine or in private networks too; for tests.")

  // MARK: Models

  static let models = [modelNames, anthropicKey, anthropicURL, anthropicVersion, openAIKey, openAIURL]
  static let modelNames = Setting(
    name: "SIMPLON_MODELS", kind: .list,
    summary: "The models for prompts, such as `anthropic/claude-sonnet-4-5,openai/gpt-5`: the first that is well is "
      + "asked. Not set: those two, each where its vendor's key or URL is set.")
  static let anthropicKey = Setting(
    name: "ANTHROPIC_API_KEY", kind: .text, isSecret: true, summary: "The key of Anthropic's API.")
  static let anthropicURL = Setting(
    name: "ANTHROPIC_BASE_URL", kind: .url, fallback: "https://api.anthropic.com",
    summary: "Where Anthropic's Messages API is, before `/v1/messages`.")
  static let anthropicVersion = Setting(
    name: "SIMPLON_ANTHROPIC_VERSION", kind: .text, fallback: "2023-06-01",
    summary: "The header `anthropic-version` that is sent.")
  static let openAIKey = Setting(
    name: "OPENAI_API_KEY", kind: .text, isSecret: true,
    summary: "The key of OpenAI's API, or of a server that speaks its chat completions.")
  static let openAIURL = Setting(
    name: "OPENAI_BASE_URL", kind: .url,
    summary: "Where chat completions are, before `/chat/completions`: llama.cpp, vLLM, Ollama and others. "
      + "Not set, with a key: https://api.openai.com/v1.")

  // MARK: What models may cost

  static let money = [capPerCall, capPerRun, capPerTree, capPerUserDay, capPerDay]
  static let capPerCall = Setting(
    name: "SIMPLON_CAP_PER_CALL", kind: .amount,
    summary: "What one question to a model may cost. Under any cap a model without a price is not asked; see "
      + "docs/prompts.md. Give all workers the same caps.")
  static let capPerRun = Setting(
    name: "SIMPLON_CAP_PER_RUN", kind: .amount, summary: "What a run may cost, over all its attempts.")
  static let capPerTree = Setting(
    name: "SIMPLON_CAP_PER_TREE", kind: .amount, summary: "What a run and all runs below it may cost.")
  static let capPerUserDay = Setting(
    name: "SIMPLON_CAP_PER_USER_DAY", kind: .amount, summary: "What one user's runs may cost in a day of UTC.")
  static let capPerDay = Setting(
    name: "SIMPLON_CAP_PER_DAY", kind: .amount, summary: "What all runs together may cost in a day of UTC.")

  // MARK: Memory, and the judgement of tasks

  static let memory = [embeddingsURL, embeddingsKey, embeddingsModel, evaluatorURL, evaluatorKey]
  static let embeddingsURL = Setting(
    name: "SIMPLON_EMBEDDINGS_URL", kind: .url,
    summary: "Where OpenAI's embeddings, or a server's that speaks them, are, before `/embeddings`. Not set, with a "
      + "key: https://api.openai.com/v1; without a key: memories are found by words alone.")
  static let embeddingsKey = Setting(
    name: "SIMPLON_EMBEDDINGS_KEY", kind: .text, isSecret: true, summary: "The key of that server.")
  static let embeddingsModel = Setting(
    name: "SIMPLON_EMBEDDINGS_MODEL", kind: .text, fallback: "text-embedding-3-small",
    summary: "The model that is asked for embeddings, of 1,536 numbers each.")
  static let evaluatorURL = Setting(
    name: "SIMPLON_EVALUATOR_URL", kind: .url,
    summary: "Where what typed tasks gave is sent to be judged, see docs/api.md. Not set: nowhere.")
  static let evaluatorKey = Setting(
    name: "SIMPLON_EVALUATOR_KEY", kind: .text, isSecret: true, summary: "The key that is sent there.")

  // MARK: Logging

  static let logging = [logLevel, logFormat, debug]
  static let logLevel = Setting(
    name: "LOG_LEVEL", kind: .choice(["trace", "debug", "info", "notice", "warning", "error", "critical"]),
    fallback: "info", summary: "The least level that is logged; upper case is taken too.")
  static let logFormat = Setting(
    name: "SIMPLON_LOG_FORMAT", kind: .choice(["auto", "json", "text"]), fallback: "auto",
    summary: "How lines look; auto: text on a terminal, else JSON.")
  static let debug = Setting(
    name: "SUPABASE_DEBUG", kind: .flag, fallback: "false", summary: "The same as LOG_LEVEL=debug.")

  // MARK: Names that later rooms will use

  static let notYet: [Setting] = [
    later("SUPABASE_ENABLE_REALTIME", .flag), later("SUPABASE_MAX_RETRIES", .integer(0...100)),
    later("SUPABASE_RETRY_DELAY", .seconds(0...3600)),
    later("SUPABASE_UPLOAD_TIMEOUT", .seconds(1...86_400)), later("SUPABASE_CHUNK_SIZE"),
    later("SUPABASE_PROGRESS_INTERVAL"),
    later("REDIS_URL", secret: true), later("CORE_SUPABASE_URL", .url), later("CORE_SUPABASE_ANON_KEY", secret: true),
    later("CORE_SUPABASE_SERVICE_ROLE_KEY", secret: true), later("CORE_SUPABASE_JWT_SECRET", secret: true),
  ]

  private static func later(_ name: String, _ kind: Kind = .text, secret: Bool = false) -> Setting {
    Setting(name: name, kind: kind, isSecret: secret, summary: "Known, without effect yet.")
  }
}
