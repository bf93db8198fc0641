"""`limbeck card`."""

from typing import Annotated

import typer

from limbeck.cli.options import Changes, RecipeName

__all__ = ["card"]


def card(
    recipe: RecipeName,
    changes: Changes = None,
    license: Annotated[
        str | None,
        typer.Option("--license", help="Of what is published, as the hub calls it: apache-2.0."),
    ] = None,
    base_model: Annotated[
        list[str] | None,
        typer.Option("--base-model", help="The teacher's hub id; once for each teacher."),
    ] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", help="The data's hub id.")] = None,
) -> None:
    r"""Write folders for the Hugging Face hub, each with its card.

    One holds the student with the verdict, one its knowledge as a data set that the datasets
    library opens. Nothing is uploaded. Ids and licences are those of the recipe's teachers and
    data, as far as their own cards say.

    \b
    Examples:
      limbeck card digits --license apache-2.0
      limbeck card mine.yaml --base-model owner/teacher --dataset stanfordnlp/imdb
    """
    from limbeck.cli.session import experiment
    from limbeck.hub.recipes import hub_folder_of

    with experiment(recipe, changes) as steps:
        written = hub_folder_of(
            steps, license=license, base_model=base_model or (), dataset=dataset
        )
    print(f"nothing was uploaded. To publish:\n{written}")
