"""The methods of google.firestore.v1.Firestore by name, with their messages."""

from __future__ import annotations

from typing import Any

from google.cloud.firestore_v1.types import firestore
from google.protobuf import empty_pb2

from emonk_ops.sandbox.firestore.disk import Document

METHODS: tuple[tuple[str, str, Any, Any], ...] = (
    ("GetDocument", "get_document", firestore.GetDocumentRequest.pb(), Document),
    (
        "ListDocuments",
        "list_documents",
        firestore.ListDocumentsRequest.pb(),
        firestore.ListDocumentsResponse.pb(),
    ),
    ("CreateDocument", "create_document", firestore.CreateDocumentRequest.pb(), Document),
    ("UpdateDocument", "update_document", firestore.UpdateDocumentRequest.pb(), Document),
    (
        "DeleteDocument",
        "delete_document",
        firestore.DeleteDocumentRequest.pb(),
        empty_pb2.Empty,
    ),
    (
        "BeginTransaction",
        "begin_transaction",
        firestore.BeginTransactionRequest.pb(),
        firestore.BeginTransactionResponse.pb(),
    ),
    (
        "PartitionQuery",
        "partition_query",
        firestore.PartitionQueryRequest.pb(),
        firestore.PartitionQueryResponse.pb(),
    ),
    ("Commit", "commit", firestore.CommitRequest.pb(), firestore.CommitResponse.pb()),
    ("Rollback", "rollback", firestore.RollbackRequest.pb(), empty_pb2.Empty),
    (
        "ListCollectionIds",
        "list_collection_ids",
        firestore.ListCollectionIdsRequest.pb(),
        firestore.ListCollectionIdsResponse.pb(),
    ),
    (
        "BatchWrite",
        "batch_write",
        firestore.BatchWriteRequest.pb(),
        firestore.BatchWriteResponse.pb(),
    ),
)
"""API name, our name, and raw types of request and answer; one answer a request."""

STREAMS: tuple[tuple[str, str, Any, Any], ...] = (
    (
        "BatchGetDocuments",
        "batch_get_documents",
        firestore.BatchGetDocumentsRequest.pb(),
        firestore.BatchGetDocumentsResponse.pb(),
    ),
    ("RunQuery", "run_query", firestore.RunQueryRequest.pb(), firestore.RunQueryResponse.pb()),
    (
        "RunAggregationQuery",
        "run_aggregation_query",
        firestore.RunAggregationQueryRequest.pb(),
        firestore.RunAggregationQueryResponse.pb(),
    ),
)
"""The same, for methods that answer with any number of messages."""
