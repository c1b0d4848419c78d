"""Upload an exported model to the hub. The hub client reads the token from the environment or its
login; this program never keeps or prints it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.schema.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

ALWAYS_THERE = frozenset({".gitattributes"})  # in every new repository


def push(folder: Path, repo: str, private: bool = True) -> str:
    """Upload a folder into a new or empty repository; return its address. ``UserError`` when the
    repository holds something, or the hub can't be reached or refuses."""
    import httpx2
    from huggingface_hub import HfApi, errors

    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        there = set(api.list_repo_files(repo)) - ALWAYS_THERE
        if there:
            raise UserError(
                f"{repo}: holds {len(there)} files already ({min(there)}); nothing was sent; give"
                " another name, or empty it on the hub"
            )
        done = api.upload_folder(
            repo_id=repo, folder_path=folder, commit_message=f"{folder.name}, exported by sirt"
        )
    except errors.HFValidationError as error:
        raise UserError(f"{repo}: no name for a repository: {_first_line(error)}") from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        if status in {401, 403}:
            raise UserError(
                f"{repo}: the hub says no ({status}): log in with `hf auth login` or set HF_TOKEN,"
                " with the right to write there"
            ) from None
        raise UserError(f"{repo}: the hub says: {_first_line(error)}") from None
    except errors.LocalTokenNotFoundError:
        raise UserError(f"{repo}: log in with `hf auth login`, or set HF_TOKEN") from None
    except (httpx2.TransportError, ConnectionError):
        offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
        raise UserError(
            f"{repo}: the hub can't be reached{offline}; {folder} is complete: push it later with"
            " the same command"
        ) from None
    except RuntimeError as error:  # of a single file; the reason is its cause
        reason = _first_line(error.__cause__ or error)
        raise UserError(
            f"{repo}: the upload broke off ({reason}); the same command tries again"
        ) from None
    return str(done.repo_url)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
