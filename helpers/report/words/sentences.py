"""The report in English."""

LANGUAGE = "en"  # as BCP 47 names it

# Notebooks put under this heading how far their pictures can be believed; the report gathers it on one page.
TRUST = "shared.trust"
TRUST_TABLE = "trust"  # name of the table of grades, which also stands on the report's summary page

# What the layout itself says; everything else that is printed comes from the answers and the stamp.
LAYOUT = {
    "title": "What a convolutional network learned",
    "contents": "The questions",
    "headlines": "Headline numbers",
    "trust": "How far can these pictures be trusted?",
    "trust_intro": (
        "A map looks convincing whether or not it shows what the network does, so the methods of this report are "
        "graded. The table of the headline numbers gives the grades, and this page says what they come to; what "
        "is measured, and the figures, stand under the questions named here. Insertion puts the pixels into a "
        "hidden image, the most important first, and deletion takes them away: a map that is right lets the "
        "probability rise early in the one and fall early in the other; the area between the two curves is the "
        "symmetric relevance gain (Bluecher et al., 2024). A map of edges, a blob in the middle and "
        "a random order have not asked the network, so a method has to beat them. With random weights in the "
        "upper half of the network, a map that explains what was learned has to change; one that stays shows the "
        "image. Asked about another class, it has to change too. Where the data set marks which pixels make the "
        "class, the relevance has to lie there."
    ),
    "question": "Question",
    "figure": "Figure",
    "table": "Table",
    "notes": "The data",
    "collaborators": "Worked with",
    "remarks": "Remarks of the author",
    "appendix": "Appendix: all that was measured",
}

# What the HTML says besides, and what its script says.
HTML = {
    "skip": "Skip to the report",
    "languages": "Languages",
    "made": "How this report was made",
    "sources": "Show where each number comes from: notebook, key and exact value",
    "filter": "Filter",
    "close": "Close",
    "matrix": "Test images by true class (row) and predicted class (column); underlined numbers open images.",
    "sheets": "Images of the most confused pairs",
    "sheet": "{true} taken for {predicted}: the most confident mistakes, of {count} test images",
}
SCRIPT = {"enlarge": "Enlarge: {caption}", "rows": "{shown} of {all} rows"}

# Label, value and detail, as templates over the keys of the answers' numbers.
HEADLINES: tuple[tuple[str, str, str], ...] = (
    (
        "Test accuracy of the CNN",
        "{cnn.test_accuracy:.1%}",
        "95% interval: {cnn.test_accuracy_low:.1%} to {cnn.test_accuracy_high:.1%}",
    ),
    (
        "Balanced accuracy of the CNN",
        "{balanced.value:.1%}",
        "mean recall of all classes; 95% interval: {balanced.low:.1%} to {balanced.high:.1%}. "
        "Recall (95% interval): {balanced.recalls}",
    ),
    (
        "Validation accuracy of the CNN",
        "{cnn.validation_accuracy:.1%}",
        "95% interval: {cnn.validation_accuracy_low:.1%} to {cnn.validation_accuracy_high:.1%}",
    ),
    (
        "Test accuracy of the ensemble",
        "{ensemble.test_accuracy:.1%}",
        "95% interval: {ensemble.test_accuracy_low:.1%} to {ensemble.test_accuracy_high:.1%}; "
        "from four crops of each image {ensemble_four_crops.test_accuracy:.1%}",
    ),
    (
        "Test accuracy of the DNN",
        "{dnn.test_accuracy:.1%}",
        "95% interval: {dnn.test_accuracy_low:.1%} to {dnn.test_accuracy_high:.1%}",
    ),
    ("The test images", "{test_images}", ""),
    ("Parameters of the CNN", "{cnn.parameters:,}", ""),
    ("Most confused", "{most_confused}", ""),
    (
        "Most confused",
        "{most_confused.true} taken for {most_confused.predicted}",
        "{most_confused.share:.1%} of its {most_confused.images} test images (95% interval: {most_confused.low:.1%} to "
        "{most_confused.high:.1%}); pairs that cannot be told from it: {most_confused.tied}",
    ),
)

# Who hands it in, above the stamp.
HAND_IN = {"author": "Author", "student_id": "Student ID", "course": "Course"}
# The lines of the stamp, by its keys.
STAMP = {
    "dataset": "Data set",
    "fingerprint": "Fingerprint",
    "recipe": "Recipe",
    "seed": "Seed",
    "date": "Date",
    "machine": "Machine",
    "versions": "Packages",
}

ONE_TRAINING = (
    "Each of these versions was trained once (epochs: {epochs}): what is said holds for these networks, and not for "
    "augmentation or normalization as such, whose effect may hang on the seed and on the number of epochs."
)
ACCURACY = {
    False: "On the test split the CNN is right on {accuracy:.1%} of the images (95% interval {low:.1%} to {high:.1%}).",
    True: "On the test split, which also chose the network, the CNN is right on {accuracy:.1%} of the images (95% "
    "interval {low:.1%} to {high:.1%}).",
}
TWO_ACCURACIES = (
    "{names} are right on {accuracies:.1%} of the test images (95% intervals from {lows:.1%} to {highs:.1%})."
)
MULTIPLICATIONS = (
    "One image costs CNN and DNN {costs:.1f} million multiplications, {each:.1f} for each parameter: a convolution "
    "uses its weights at every place, so that it need not learn anew what has moved."
)
TRAINED = "Training ended after epoch {epochs}, with the optimiser {optimizers}."
RECIPE = (
    "It was trained with cross-entropy{smoothing} in batches of {batch}{mixup}: {phases}. It ended after epoch "
    "{epochs}, in {minutes:.1f} minutes; dropout in the network: {dropout}."
)
AUGMENTED = "Each training image was, anew in each epoch and up to the limit that is given: {changes}."
NOT_AUGMENTED = "Training images were shown as they are."


def plan_values(plan: dict) -> dict:
    """Put a training plan, as `dataclasses.asdict` gives it, into the values of RECIPE that follow from it alone."""
    return {
        "smoothing": f" (label smoothing {plan['label_smoothing']:g})" if plan.get("label_smoothing") else "",
        "mixup": f", images blended by mixup ({plan['mixup']:g})" if plan.get("mixup") else "",
        "batch": plan["batch_size"],
        "phases": [_phase(phase) for phase in plan["phases"]],
    }


def _phase(phase: dict) -> str:
    falls = phase.get("schedule", "cosine") == "cosine"
    how = "that rises for a twentieth of the steps and falls along a cosine" if falls else "that stays"
    epochs = f"{phase['epochs']} epoch{'s' if phase['epochs'] > 1 else ''}"
    said = f"at most {epochs} of {phase['optimizer']}, learning rate {phase['learning_rate']:g} {how}"
    said += f", weight decay {phase['weight_decay']:g}" if phase.get("weight_decay") else ""
    said += f", {phase['distillation']:.0%} soft targets" if phase.get("distillation") else ""
    return said + ("" if phase.get("augmented", True) else " on unchanged images")


def changes(augmentation: dict) -> list[str]:
    """Name each change that an augmentation makes, as `dataclasses.asdict` gives it, with its range."""
    moves = {
        "flip": "mirrored in half of the cases",
        "shift": "moved by {:.0%} of its side",
        "rotation": "turned by {:g} degrees",
        "zoom": "enlarged or reduced by {:.0%}",
        "erasing": "greyed out in a rectangle of {:.0%} of its side",
    }
    said = [text.format(augmentation[key]) for key, text in moves.items() if augmentation.get(key)]
    return said + [f"changed by {name} ({strength:g})" for name, strength in augmentation.get("others", ())]


# Captions that several notebooks share.
GRADES_CAPTION = (
    "Grades of every method over {images} test images, {wrong} of them answered wrongly: symmetric relevance gain "
    "(insertion less deletion) by what hides the pixels; mean and standard deviation of the rank over all settings; "
    "rank correlation of signed maps and of magnitudes with those of the network with half-randomised weights, mean of "
    "{draws} draws; how much the entropy of the maps rises when all weights are random (efficient MPRT); rank "
    "correlation with the map of the runner-up, over {few} images; and, where the classes are known to be drawn, "
    "whether the first pixel, which share of the relevance for the class, which of all relevance, and which of as many "
    "pixels lies there."
)
MAP_GRADES = (
    "Symmetric relevance gain: {scores:.2f} for {methods}, {edges:.2f} for the edge map. Rank correlation with the map "
    "of the network with half-randomised weights: {likeness:.2f}."
)
# What the grades come to, by key; those in pairs say that one is first, and that it cannot be told from others.
GRADED = {
    "trust": "Trust the maps of {methods}: they find more than an edge map, which has asked no network, and they "
    "change when what the network learned is taken from it.",
    "care": "Read those of {methods} with care: one of the two is not shown of them.",
    "distrust": "Do not trust those of {methods}: they find less than an edge map, or stay when what the network "
    "learned is taken from it.",
    "first": "Over {settings} settings ({substrates}; {steps} steps; {answers}) and {images} test images, {best} has "
    "the best mean rank by symmetric relevance gain, {rank:.1f} of {count}.",
    "first, tied": "Over {settings} settings ({substrates}; {steps} steps; {answers}) and {images} test images, the "
    "best mean rank by symmetric relevance gain is {rank:.1f} of {count}, that of {best}, and cannot be told from "
    "that of {tied}.",
    "gains": "Its gain is {score:.2f}, mean over the substrates; a centred Gaussian gets {blob:.2f}, the edge map "
    "{edges:.2f}, a random order {chance:.2f}.",
    "favoured": "{favoured} measure from, or hide with, what hides the pixels in some of these settings, which "
    "favours them there.",
    "same image": "Where the same face with another expression hides the pixels, which no method knows and which is "
    "as likely as the face itself, {best} gains most: {value:.2f}.",
    "same image, tied": "Where the same face with another expression hides the pixels, which no method knows and which "
    "is as likely as the face itself, {best} gains {value:.2f} and cannot be told from {tied}.",
    "agreement": "The rankings by {groups} agree with a Kendall's W of {agreement:.2f} (1: the same order; "
    "{unrelated:.2f}: unrelated orders, on average).",
    "right": "Where the network was right, {best} gains most: {value:.2f}.",
    "right, tied": "Where the network was right, {best} gains {value:.2f} and cannot be told from {tied}.",
    "wrong": "Where the network was wrong, {best} gains most: {value:.2f}.",
    "wrong, tied": "Where the network was wrong, {best} gains {value:.2f} and cannot be told from {tied}.",
    "worse": "Worse than the edge map, which has seen no network, by symmetric relevance gain: {worse}.",
    "level": "Not to be told from the edge map: {level}.",
    "better": "All {count} methods do better than the edge map.",
    "proof": "Where the classes are drawn is known. With only these pixels set back, the network's accuracy on "
    "{images} images falls from {whole:.0%} to {without:.0%} ({low:.0%} to {high:.0%}), no better than the commonest "
    "class ({blind:.0%}); with all but these pixels set back, it is {kept:.0%}: this network reads them there.",
    "no proof": "Where the classes are drawn is known. With only these pixels set back, the network's accuracy on "
    "{images} images is {without:.0%} ({low:.0%} to {high:.0%}) instead of {whole:.0%}, where the commonest class "
    "gives {blind:.0%}; with all but these pixels set back, it is {kept:.0%}. That it reads the classes there alone "
    "is not proved, and the last columns of the table say where they are drawn, not what is true of this network.",
    "mass": "The largest share of the relevance for the class lies there with {best}: {value:.0%}; a centred Gaussian "
    "gets {blob:.0%}, the edge map {edges:.0%}, and chance gives {chance:.0%}.",
    "mass, tied": "Of the relevance for the class, {value:.0%} lies there with {best}, which cannot be told from "
    "{tied}; a centred Gaussian gets {blob:.0%}, the edge map {edges:.0%}, and chance gives {chance:.0%}.",
    "mass worse": "In this share these do worse than the edge map: {worse}.",
    "stays": "With the upper half of the network random ({draws} draws), the maps of {failed} still correlate at "
    "{alike:.2f} with those of the trained one: they do not change, and show the image rather than what was learned.",
    "undecided": "Whether the maps of {undecided} change, {draws} draws of random weights leave undecided.",
    "changes": "The maps of {passed} of {count} methods change in either form. A random map, drawn anew each time, "
    "changes too (correlation {chance:.2f}): to change is no merit, and this check warns of maps but ranks none.",
    "blind": "Asked about the runner-up instead of the predicted class, {best} changes least (rank correlation "
    "{value:.2f}).",
}
LIME_STABILITY = (
    "In the study of LIME with {copies:,} copies and {cut} superpixels asked for, two seeds' weights have a rank "
    "correlation of {correlation:.2f}, and the linear model explains {fit:.0%}."
)
# Which superpixels of a class are those of its rival: by what they argue for, and whether that is more than by chance.
RIVALS = {
    ("for", "against", "more"): "What speaks for {name} speaks against {rival}: the same places decide between them.",
    ("for", "against", "less"): "What speaks for {name} seldom speaks against {rival}.",
    ("for", "for", "more"): "What speaks for {name} speaks for {rival}, too, and does not tell the two apart.",
    ("for", "for", "less"): "{name} and {rival} are spoken for by different places.",
    ("against", "for", "more"): "What speaks for {rival} speaks against {name}.",
    ("against", "for", "less"): "What speaks for {rival} seldom speaks against {name}.",
    ("against", "against", "more"): "What speaks against {name} speaks against {rival}, too.",
    ("against", "against", "less"): "{name} and {rival} are spoken against by different places.",
}
SHARED = "(These superpixels share {overlap:.0%}; {low:.0%} to {high:.0%}; chance: {chance:.0%}; {images} images.)"
# Where relevance, or the output of a filter, lies more than the area would have it; `found` joins the clauses.
REGIONS = {
    "found": "More than their area gives, {by} lies on these regions, at most {most} of them named: {found}.",
    "nowhere": "Of {by}, no region holds more than its area gives beyond what chance explains: none stands out.",
    "unknown": "Where {by} lies, there are too few images to say.",
    "some": "for {names}, {regions}",
    "none": "for {names}, none stands out",
    "few": "for {names}, there are too few images to say",
    "its": "the {region} ({share:.0%}, {ratio:.1f} times its area)",
    "their": "the {region} ({share:.0%}, {ratio:.1f} times their area)",
    "other": "the {region}",
    "both": "Of {by}, both {first} and {second} hold more than its area gives on {regions}.",
    "not both": "Of {by}, no region stands out for both {first} and {second}.",
}
# What a filter seeks, by key: its pattern, the regions and the classes that it answers to.
FILTERS = {
    "lines": "The filter in {place} asks for lines at {angle:.0f}° (0°: level; alignment "
    "{alignment:.2f}), {wave:.1f} pixels from one to the next",
    "no lines": "The filter in {place} asks for a pattern of no one direction (alignment {alignment:.2f}), with "
    "{wave:.1f} pixels from crest to crest",
    "regions": "; on test images its output lies on {regions}",
    "no region": "; on test images no region stands out in its output",
    "classes": ", and it is highest for {classes}.",
    "no class": ", and no class stands out by raising it.",
}
REGION_SOURCES = {
    "drawn": "The regions are those that the program drew, face by face.",
    "template": "The regions are one template for all images, laid on their mean.",
    "places": "Foreground is what differs in colour from the image's border by more than Otsu's threshold.",
    "superpixels": "A superpixel is named by the place of its middle and the colour that its mean is nearest to.",
}
