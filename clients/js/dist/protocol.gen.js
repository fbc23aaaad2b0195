// Generated from jobs_flow_django/live/protocol.schema.json by scripts/protocol.mjs; do not edit.
export {};
