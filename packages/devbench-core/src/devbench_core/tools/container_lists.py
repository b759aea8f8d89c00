"""The tool that lists containers."""

from pydantic import Field

from devbench_core.tool import ToolContext, ToolOutput
from devbench_core.tools.base import Input
from devbench_core.tools.views import ContainerView


class ListContainersInput(Input):
    """Arguments of `list_containers`."""

    labels: dict[str, str] = Field(
        default_factory=dict[str, str], description="Only containers that have all these labels."
    )
    include_ended: bool = Field(default=False, description="Also those that have ended, with why.")
    after: str = Field(
        default="", max_length=200, description="The `cursor` of the page before; empty for the first."
    )
    limit: int = Field(default=50, ge=1, le=200, description="The most containers in one page.")


class ListContainersOutput(ToolOutput):
    """Result of `list_containers`."""

    containers: list[ContainerView] = Field(description="In the order of their ids.")
    cursor: str = Field(
        default="", description="Give it as `after` for the next page; empty when there are no more."
    )


async def list_containers(context: ToolContext, given: ListContainersInput) -> ListContainersOutput:
    """List a page of containers."""
    page = await context.bench.containers.list(
        labels=given.labels,
        include_ended=given.include_ended,
        after=given.after,
        limit=given.limit,
        caller=context.caller,
    )
    return ListContainersOutput(
        containers=[ContainerView.of(container) for container in page.containers], cursor=page.cursor
    )
