"""A backend in a bucket, of AWS or of anything that speaks S3. Only what is here imports boto3."""

from storage.backends.s3.backend import S3Backend
from storage.backends.s3.bucket import Bucket

__all__ = ["Bucket", "S3Backend"]
