"""Records in one DynamoDB table."""

from jobs_flow.storages.dynamodb.storage import DynamoStorage

__all__ = ["DynamoStorage"]
