import SimplonCore

/// `run`: makes a run of its own, as the run's owner, and waits for it.
///
/// It needs the run's hold and the database, so ``RunExecution`` does it; a call that comes again finds what it has made.
enum RunTool {
  static let declaration = ToolDeclaration(
    name: "run", summary: "Makes a run of its own, with a prompt, a plan or a saved workflow, and waits for its end.",
    inputSchema: [
      "type": "object", "additionalProperties": false,
      "properties": [
        "prompt": ["type": "string", "minLength": 1, "description": "what a model shall do"],
        "plan": ["type": "object", "description": "the steps to run, as in a plan; or else a prompt or a workflow"],
        "workflow": ["type": "string", "minLength": 1, "description": "a saved workflow's name"],
        "inputs": ["type": "object", "description": "the workflow's inputs"],
        "tools": [
          "type": "array", "items": ["type": "string"], "description": "the only tools it may use, of this run's",
        ],
        "metadata": ["type": "object", "description": "what it finds as run.metadata"],
        "wait": ["type": "boolean", "description": "false goes on without waiting for its end"],
        "files": ["type": "boolean", "description": "true puts the files that it kept into the work folder"],
      ],
    ],
    effect: .reconcile, timeout: .seconds(60), maximumTimeout: .seconds(3600)
  ).handingOver(["plan"])
}
