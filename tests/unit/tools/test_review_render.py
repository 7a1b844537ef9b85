"""A review as a comment, as text and as JSON."""

from __future__ import annotations

import json
import re

import pytest
from preview_digests import HOST, digest, ecr, login, state

from pulumi_codespaces.state.digest import read_digest
from pulumi_codespaces.tools.review import Change, Edge, Review, review
from pulumi_codespaces.tools.review.render import COMMENT_LIMIT, as_json, as_markdown, as_text

WIDER = review(read_digest(digest(ecr(), ecr(readers=("web", "api"), repositories=("payments/api", "shared/*")))))
ACTIONS = "ecr:BatchCheckLayerAvailability, ecr:BatchGetImage, ecr:GetDownloadUrlForLayer"
PULL = f"Allow {ACTIONS} on arn:aws:ecr:eu-west-1:123456789012:repository/shared/*"


def test_a_comment():
    assert (
        as_markdown(WIDER)
        == f"""\
<!-- codespaces review: access/prod -->
### Registry access of codespaces: `access/prod`

**Look at this first**

- :warning: `codespaces-payments` may now pull `shared/*`, in codespaces of `acme/api` and `acme/web`.
  ```diff
  + {PULL}
  ```

- `acme/api` may pull `payments/api` and `shared/*` from `{HOST}`.

```mermaid
graph LR
  n0["acme/api"]
  n1[("{HOST}")]
  n0 ==>|new| n1
  n2["acme/web"]
  n2 --> n1
```
"""
    )


def test_a_comment_on_nothing():
    other = state("aws:s3/bucket:Bucket", "logs")
    assert (
        as_markdown(review(read_digest(digest(ecr(), [*ecr(), other]))))
        == """\
<!-- codespaces review: access/prod -->
### Registry access of codespaces: `access/prod`

No change in who may pull.

Other resources: 1 created.
"""
    )


def test_details_are_folded():
    readers = tuple(f"service-{index}" for index in range(5))
    text = as_markdown(review(read_digest(digest(ecr(), ecr(readers=("web", *readers))))))
    folded = text[text.index("<details>") :].splitlines()
    assert folded == [
        "<details><summary>Details</summary>",
        "",
        f"- `acme/service-0`, `acme/service-1` and 3 more may pull `payments/api` from `{HOST}`.",
        *(f"  - `acme/{name}`" for name in readers),
        "",
        "</details>",
    ]


def test_text():
    assert (
        as_text(WIDER)
        == f"""\
risk (wider-policy): codespaces-payments may now pull shared/*, in codespaces of acme/api and acme/web.
  + {PULL}
acme/api may pull payments/api and shared/* from {HOST}.
"""
    )


def test_json():
    shown = json.loads(as_json(WIDER))
    assert shown["stack"] == "access/prod"
    assert shown["risks"] == [
        {
            "text": "`codespaces-payments` may now pull `shared/*`, in codespaces of `acme/api` and `acme/web`.",
            "risk": "wider-policy",
            "diff": [f"+ {PULL}"],
        }
    ]
    assert shown["changes"] == [{"text": f"`acme/api` may pull `payments/api` and `shared/*` from `{HOST}`."}]
    assert shown["access"] == [
        {"readers": "acme/api", "registry": HOST, "state": "gained"},
        {"readers": "acme/web", "registry": HOST, "state": "kept"},
    ]
    assert (shown["others"], shown["warnings"]) == ({}, [])


@pytest.mark.parametrize("count", [400, 4_000])
def test_a_comment_never_grows_over_what_github_takes(count):
    readers = tuple(f"a-repository-with-a-rather-long-name-{index:05}" for index in range(count))
    text = as_markdown(review(read_digest(digest(ecr(), ecr(readers=readers)))))
    assert len(text) <= COMMENT_LIMIT
    assert text.count("```mermaid") == 1
    assert len(re.findall(r"==>", text)) <= 24
    assert f"and {count - 2} more may pull" in text


def test_nor_with_more_sentences_than_it_has_room_for():
    many = tuple(Change(f"sentence {index} " + "x" * 100) for index in range(2_000))
    text = as_markdown(Review("access/prod", (), many, (), {}))
    assert len(text) <= COMMENT_LIMIT
    assert text.startswith("<!-- codespaces review: access/prod -->\n")
    assert text.endswith("… The rest does not fit into a comment: see the preview itself.\n")


def test_names_cannot_break_out_of_the_graph():
    edge = Edge('a"]; click n0 "javascript:x"', "<b>`host`</b>", "gained")
    lines = as_markdown(Review("access/prod", (), (), (edge,), {})).splitlines()
    assert '  n0["a#34;]#59; click n0 #34;javascript:x#34;"]' in lines
    assert '  n1[("#60;b#62;#96;host#96;#60;/b#62;")]' in lines


def test_warnings_are_told_without_markup():
    diagnostics = [
        {"severity": "warning", "urn": "urn:pulumi:prod::access::a:b:C::it", "message": "two\nlines <script>"}
    ]
    result = review(read_digest(digest(login(), login(), diagnostics=diagnostics)))
    assert "- warning on `it`: two lines &lt;script>" in as_markdown(result).splitlines()
    assert as_text(result) == "warning: two\nlines <script>\n"
