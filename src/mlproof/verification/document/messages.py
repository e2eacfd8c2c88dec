"""Every sentence the verifier says, in English and in French.

A message is chosen by its name and filled with what was found.
"""

LANGUAGES = ("en", "fr")

_CATALOGUE: dict[str, tuple[str, str]] = {
    # What holds
    "proved": (
        "proved: both sides have the same normal form",
        "prouvé : les deux membres ont la même forme normale",
    ),
    "agrees": (
        "agrees at {points} points, with {sizes} choices of sizes",
        "d'accord en {points} points, pour {sizes} choix de dimensions",
    ),
    "rounded": (
        "agrees, rounded to {decimals} decimals",
        "d'accord, arrondi à {decimals} décimales",
    ),
    "agrees scalar": (
        "agrees at {points} points",
        "d'accord en {points} points",
    ),
    "agrees with sound": (
        "agrees with the last sound member; the mistake stands before it",
        "d'accord avec le dernier membre juste ; l'erreur est avant",
    ),
    "carried on": (
        "follows from the member before it, and so carries the earlier mistake on",
        "découle du membre précédent, et propage donc l'erreur faite plus tôt",
    ),
    "definition": (
        "the definition of {symbol}",
        "la définition de {symbol}",
    ),
    "recurrence": (
        "defines {symbol} from what comes before it",
        "définit {symbol} à partir de ce qui précède",
    ),
    "definition agrees": (
        "a definition, which agrees with the usual one",
        "une définition, conforme à l'usage",
    ),
    "declaration": ("a declaration", "une déclaration"),
    "declaration agrees": (
        "a declaration, and the definition has this shape",
        "une déclaration, et la définition a cette forme",
    ),
    "assumption": (
        "an assumption on {symbol}",
        "une hypothèse sur {symbol}",
    ),
    "assignment": (
        "an assignment: the sides fit, there is no equality to check",
        "une affectation : les membres sont compatibles, il n'y a pas d'égalité à "
        "vérifier",
    ),
    "problem": (
        "states an optimisation problem",
        "énonce un problème d'optimisation",
    ),
    "domain": (
        "holds where both sides are defined, but not {where}: {why}",
        "vrai là où les deux membres sont définis, mais pas {where} : {why}",
    ),
    "domain partly": (
        "holds where both sides are defined; at some points there is {why}",
        "vrai là où les deux membres sont définis ; en certains points il y a {why}",
    ),
    "convention": (
        "holds except {where}, where there is no derivative and a convention decides",
        "vrai sauf {where}, où il n'y a pas de dérivée et où une convention tranche",
    ),
    "by convention": (
        "a convention: there is no derivative here",
        "une convention : il n'y a pas de dérivée ici",
    ),
    "where": ("at {symbol} = 0", "en {symbol} = 0"),
    "shapes agree": ("the shapes agree", "les dimensions concordent"),
    # What does not
    "false": (
        "the two sides differ",
        "les deux membres diffèrent",
    ),
    "false outlier": (
        "out of line: the members before and after it agree with each other, not with "
        "this one",
        "membre isolé : ceux d'avant et d'après sont d'accord entre eux, pas avec lui",
    ),
    "false order": (
        "the inequality does not hold",
        "l'inégalité n'est pas vérifiée",
    ),
    "count": (
        "{symbol} must be the number of scalars in {of}",
        "{symbol} doit être le nombre de scalaires dans {of}",
    ),
    "add": (
        "shapes that cannot be added: {left} and {right}",
        "formes qu'on ne peut pas additionner : {left} et {right}",
    ),
    "multiply": (
        "shapes that cannot be multiplied: {left} times {right}",
        "formes qu'on ne peut pas multiplier : {left} par {right}",
    ),
    "entrywise": (
        "shapes that differ in an operation entry by entry: {left} and {right}",
        "formes différentes dans une opération terme à terme : {left} et {right}",
    ),
    "divide": (
        "division of {left} by {right}",
        "division de {left} par {right}",
    ),
    "equal": (
        "shapes that differ: {left} on the left and {right} on the right",
        "formes différentes : {left} à gauche et {right} à droite",
    ),
    "square": (
        "a square matrix is needed here, and this is {shape}",
        "il faut ici une matrice carrée, et celle-ci est {shape}",
    ),
    "index not a number": (
        "the index {text} is no number",
        "l'indice {text} n'est pas un nombre",
    ),
    "index not whole": (
        "{text} is no whole number, as an index must be",
        "{text} n'est pas un nombre entier, comme doit l'être un indice",
    ),
    "entry not a number": (
        "the entries of {text} are no numbers",
        "les composantes de {text} ne sont pas des nombres",
    ),
    "power": (
        "an exponent of shape {shape}",
        "un exposant de forme {shape}",
    ),
    "arguments": (
        "{name} takes one argument, and got {given}",
        "{name} prend un argument, et en a reçu {given}",
    ),
    "vector wanted": (
        "{name} is of a vector, and this is a number",
        "{name} s'applique à un vecteur, et ceci est un nombre",
    ),
    "vector unwanted": (
        "{name} is of a class, and this is an array",
        "{name} s'applique à une classe, et ceci est un tableau",
    ),
    "out of range": (
        "the index {index} of {text} leaves its range: it is {place} where the size "
        "is {size}",
        "l'indice {index} de {text} sort de ses bornes : il vaut {place} alors que la "
        "taille est {size}",
    ),
    "axes": (
        "{text} has {given} indices, and the shape {shape}",
        "{text} a {given} indices, et la forme {shape}",
    ),
    "index of number": (
        "{text} has an index, and is a number",
        "{text} a un indice, et est un nombre",
    ),
    "lost d": (
        "a derivative without its d above: the denominator is a differential, the "
        "numerator is none",
        "une dérivée sans son d au numérateur : le dénominateur est une "
        "différentielle, pas le numérateur",
    ),
    "declared otherwise": (
        "declared as {declared}, but its definition has the shape {shape}",
        "déclaré {declared}, mais sa définition a la forme {shape}",
    ),
    "code agrees": (
        "the code gives what the formulas give, in value and in shape",
        "le code donne ce que donnent les formules, en valeur et en forme",
    ),
    "code differs": (
        "the code gives other numbers than the formulas",
        "le code donne d'autres nombres que les formules",
    ),
    "code shape": (
        "the code gives the shape {given}, and the formulas {wanted}",
        "le code donne la forme {given}, et les formules {wanted}",
    ),
    "code data": (
        "data for {name}, of which the text says no formula",
        "des données pour {name}, dont le texte ne donne aucune formule",
    ),
    "code fails": (
        "not understood: the code cannot be run: {error}",
        "non compris : le code ne s'exécute pas : {error}",
    ),
    "code unmatched": (
        "not understood: nothing says which symbol {name} stands for",
        "non compris : rien ne dit quel symbole est {name}",
    ),
    "one axis": (
        "NumPy gives it the shape ({size},), not {size} × 1",
        "NumPy lui donne la forme ({size},), et non {size} × 1",
    ),
    "at": ("at {where}: ", "en {where} : "),
    "in entry": (" in entry {place}", " à la place {place}"),
    # What cannot be said
    "refused": ("not understood: {reason}", "non compris : {reason}"),
    "unknown": ("not understood: {reason}", "non compris : {reason}"),
    "hole": ("left open", "laissé en suspens"),
    "not a claim": (
        "a relation that says nothing to be computed",
        "une relation qui n'énonce rien de calculable",
    ),
    "undeclared": (
        "not understood: the sides differ if {symbols} are numbers, and nothing says "
        "what they are; declare them",
        "non compris : les membres diffèrent si {symbols} sont des nombres, et rien ne "
        "dit ce que c'est ; déclarez-les",
    ),
    "entry or not": (
        "not understood: {symbol} may be an entry of what is given above, or a symbol",
        "non compris : {symbol} peut être un élément de ce qui est donné plus haut, ou "
        "un symbole",
    ),
    "another": (
        "not understood: {symbol} is given above, by other symbols than here",
        "non compris : {symbol} est donné plus haut, par d'autres symboles qu'ici",
    ),
    "said": (
        "not understood: the sides differ, but the text says more of {symbol} "
        "({words}) than is taken into account",
        "non compris : les membres diffèrent, mais le texte dit de {symbol} plus "
        "({words}) que ce dont il est tenu compte",
    ),
    "worded": (
        "not understood: the sides differ, but the sentence sets a condition in words "
        "({words}) that is not taken into account",
        "non compris : les membres diffèrent, mais la phrase pose en mots une "
        "condition ({words}) dont il n'est pas tenu compte",
    ),
    "doubtful": (
        "not understood: it holds under the condition {condition} from before, and "
        "nothing says whether that still holds here",
        "non compris : cela vaut sous la condition {condition} d'avant, et rien ne dit "
        "si elle vaut encore ici",
    ),
    "spoken of": (
        "not understood: the sides differ, but the sentence seems to speak of this "
        "equality and not to claim it",
        "non compris : les membres diffèrent, mais la phrase semble parler de cette "
        "égalité sans l'affirmer",
    ),
    "nowhere": (
        "not understood: no point was found at which both sides are defined",
        "non compris : aucun point trouvé où les deux membres sont définis",
    ),
    "neighbour": (
        "not understood: the member before it is not",
        "non compris : le membre précédent ne l'est pas",
    ),
    "unclear": (
        "not understood: it could not be decided in high precision",
        "non compris : la précision ne permet pas de trancher",
    ),
}

# Why something has no meaning here, by the reason of the evaluator.
_REASONS: dict[str, tuple[str, str]] = {
    "glyph": ("a lost sign", "un signe perdu"),
    "letter O": ("the letter O", "la lettre O"),
    "function alone": ("{name} without an argument", "{name} sans argument"),
    "sign": ("the sign {sign}", "le signe {sign}"),
    "word": ("“{word}” is not known", "« {word} » n'est pas connu"),
    "product of": ("a product of sets", "un produit d'ensembles"),
    "times of arrays": (r"\times between arrays", r"\times entre tableaux"),
    "sum of sets": ("a sum of sets", "une somme d'ensembles"),
    "divide arrays": ("a division entry by entry", "une division terme à terme"),
    "inverse function": ("an inverse function", "une fonction réciproque"),
    "derivative of several": (
        "a derivative with several arguments",
        "une dérivée à plusieurs arguments",
    ),
    "function": ("the function {name} is not known", "la fonction {name} est inconnue"),
    "argument": ("the argument {text}", "l'argument {text}"),
    "bars": ("single bars around an array", "des barres simples autour d'un tableau"),
    "prime of": ("what the prime derives by", "par quoi dérive l'apostrophe"),
    "power of array": ("a power of an array", "une puissance d'un tableau"),
    "family": ("{name} of one example", "{name} d'un exemple"),
    "entry of": ("an entry of a set", "une composante d'un ensemble"),
    "row of matrix": (
        "one index of the matrix {name}",
        "un seul indice pour la matrice {name}",
    ),
    "nothing after": ("nothing follows {sign}", "rien ne suit {sign}"),
    "argmin": ("an argument of a minimum", "un argument du minimum"),
    "maximum of arrays": ("a maximum of arrays", "un maximum de tableaux"),
    "bound": (
        "{sign} does not say over what it runs",
        "{sign} ne dit pas sur quoi elle porte",
    ),
    "too many terms": ("too many terms", "trop de termes"),
    "set of sum": ("the set {text}", "l'ensemble {text}"),
    "range": (
        "nothing says how far the index {index} runs",
        "rien ne dit jusqu'où va l'indice {index}",
    ),
    "condition": ("the condition {text}", "la condition {text}"),
    "condition of arrays": ("a condition on arrays", "une condition sur des tableaux"),
    "relation": ("the relation {relation}", "la relation {relation}"),
    "empty brackets": ("nothing between brackets", "rien entre les crochets"),
    "brackets": ("the brackets {bracket}", "les crochets {bracket}"),
    "list": ("a list", "une liste"),
    "dots": ("what the dots stand for", "ce que valent les points"),
    "unmet": (
        "no value was found of all that is said of {symbol}",
        "aucune valeur trouvée de tout ce qui est dit de {symbol}",
    ),
    "sizes of uses": (
        "{symbol}, whose uses do not agree on how long it is; declare it",
        "{symbol}, dont les emplois donnent des tailles différentes ; déclarez-le",
    ),
    "no shape": (
        "an entry of {symbol}, of which no shape is given",
        "un élément de {symbol}, dont aucune dimension n'est donnée",
    ),
    "beyond the ends": (
        "what stands before the first entry of {symbol}, or behind the last",
        "ce qui précède le premier élément de {symbol}, ou suit le dernier",
    ),
    "function of several": (
        "the function {name}, defined for several numbers of arguments",
        "la fonction {name}, définie pour plusieurs nombres d'arguments",
    ),
    "several things": (
        "{symbol}, which is another thing for each letter it has as an index",
        "{symbol}, qui est autre chose pour chaque lettre qu'il a en indice",
    ),
    "composition": ("a composition of functions", "une composée de fonctions"),
    "derivative of set": ("a derivative of a set", "une dérivée d'un ensemble"),
    "no definition": (
        "a derivative of {symbol}, which is not defined",
        "une dérivée de {symbol}, qui n'est pas défini",
    ),
    "no dependence": (
        "a derivative by {by}: {symbol} is not written with it",
        "une dérivée par {by} : {symbol} n'est pas écrit avec",
    ),
    "derivative by": ("a derivative by {text}", "une dérivée par {text}"),
    "derivative by set": (
        "a derivative by a set of arrays",
        "une dérivée par un ensemble de tableaux",
    ),
    "derivative of matrix": (
        "a derivative with more than two axes",
        "une dérivée à plus de deux axes",
    ),
    "diagonal": ("the diagonal of a matrix", "la diagonale d'une matrice"),
    "softmax of matrix": ("softmax of a matrix", "softmax d'une matrice"),
    "size of": ("the size of {symbol}", "la taille de {symbol}"),
    "norm": ("this norm", "cette norme"),
    "middle row": (
        "which row the one between the dots is",
        "quelle est la ligne entre les points",
    ),
    "ragged matrix": ("rows of different lengths", "des lignes de longueurs inégales"),
    "block matrix": ("a matrix of blocks", "une matrice par blocs"),
    "circular": ("{symbol} is defined by itself", "{symbol} est défini par lui-même"),
    "axes": ("more than two axes of {symbol}", "plus de deux axes pour {symbol}"),
    "ill defined": (
        "no definition of {symbol} fits together",
        "aucune définition cohérente de {symbol}",
    ),
    "mixed": (
        "things of different kinds are put together",
        "des choses de natures différentes sont mises ensemble",
    ),
    "too long": ("it takes too long to compute", "le calcul est trop long"),
    "too deep": ("it is nested too deeply", "trop d'imbrications"),
    "set": ("the set on the right", "l'ensemble à droite"),
}


_KINDS: dict[str, tuple[str, str]] = {
    "number": ("a number", "un nombre"),
    "positive": ("a positive number", "un nombre positif"),
    "unit": ("a number of an interval", "un nombre d'un intervalle"),
    "whole": ("a whole number", "un nombre entier"),
    "index": ("a class", "une classe"),
    "choice": ("one of a few values", "une valeur parmi quelques-unes"),
    "size": ("a size", "une taille"),
    "defined": ("defined by an equality", "défini par une égalité"),
}


def kind_in_words(language: str, kind: str) -> str:
    """A kind of symbol; a shape stays as it is."""
    return _KINDS[kind][LANGUAGES.index(language)] if kind in _KINDS else kind


_LAYOUTS: dict[str, tuple[str, str]] = {
    "columns": ("gradients as columns", "les gradients en colonnes"),
    "rows": (
        "gradients as rows (numerator layout)",
        "les gradients en lignes (disposition du numérateur)",
    ),
    "denominator": (
        "gradients as columns and Jacobians transposed (denominator layout)",
        "les gradients en colonnes et les jacobiennes transposées (disposition du "
        "dénominateur)",
    ),
}


def layout_in_words(language: str, layout: str) -> str:
    """How derivatives by arrays are laid out."""
    return _LAYOUTS[layout][LANGUAGES.index(language)]


_LINT: dict[str, tuple[str, str]] = {
    "unused index": (
        "the index {index} is bound here, and nothing in the sum uses it",
        "l'indice {index} est lié ici, et rien dans la somme ne l'utilise",
    ),
    "scripts swapped": (
        "the scripts are exchanged: elsewhere the tag stands above and the index below",
        "indice et exposant sont échangés : ailleurs l'étiquette est en haut",
    ),
    "symbol reused": (
        "{symbol} is the step size here, and a size elsewhere",
        "{symbol} est ici le pas, et une taille ailleurs",
    ),
    "letter case": (
        "{symbol} is read as {other}: the same letter, large and small",
        "{symbol} est lu comme {other} : la même lettre, majuscule et minuscule",
    ),
    "numbering": (
        "the number {number} occurs twice in a row",
        "le numéro {number} apparaît deux fois de suite",
    ),
    "letter O": (
        "the letter O stands where a zero is meant",
        "la lettre O est écrite à la place d'un zéro",
    ),
    "lost sign": (
        "a sign was lost here, and is read as the indicator 1",
        "un signe s'est perdu ici, et est lu comme l'indicatrice 1",
    ),
    "superscript": (
        "the number above reads as a power; it is taken as the tag ({number})",
        "le nombre en exposant se lit comme une puissance ; il est pris pour "
        "l'étiquette ({number})",
    ),
    "unlabelled row": (
        "nothing says which row stands between the dots; it is read as row {label}",
        "rien ne dit quelle ligne est entre les points ; elle est lue comme la ligne "
        "{label}",
    ),
    "dot by entries": (
        "a dot between two vectors has a meaning here only as a product entry by "
        "entry, which is written \\odot",
        "un point entre deux vecteurs n'a de sens ici que comme produit terme à terme, "
        "qui s'écrit \\odot",
    ),
    "number and array": (
        "a number is added to a vector; it is read as a vector of that number",
        "un nombre est ajouté à un vecteur ; il est lu comme un vecteur constant",
    ),
    "columns": (
        "right for arrays of one axis; with columns of shape (n, 1) it gives {shape}",
        "juste pour des tableaux à un axe ; avec des colonnes (n, 1), cela donne "
        "{shape}",
    ),
    "mixed layout": (
        "this is right with {other}; the document has {layout}",
        "ceci est juste avec {other} ; le document a {layout}",
    ),
    "misplaced": (
        "this statement stands within a case; it is read behind the cases",
        "cet énoncé est à l'intérieur d'un cas ; il est lu après les cas",
    ),
}


def lint_message(
    language: str, code: str, suggestion: str | None = None, **found: str
) -> tuple[str, str | None]:
    """What is said of a slip, and what to write instead."""
    place = LANGUAGES.index(language)
    if code == "letter O":
        suggestion = "0"
    if code == "lost sign":
        suggestion = r"\mathbb{1}"
    return _LINT[code][place].format(**found), suggestion


def say(language: str, name: str, /, **found: object) -> str:
    """A sentence of the catalogue."""
    return _CATALOGUE[name][LANGUAGES.index(language)].format(**found)


def reason(language: str, name: str, /, **found: object) -> str:
    """Why something has no meaning here, as a part of a sentence."""
    return _REASONS[name][LANGUAGES.index(language)].format(**found)
