"""The report in English."""

# Notebooks put under this heading how far their pictures can be believed; the report gathers it on one page.
TRUST = "How far can these pictures be trusted?"
TRUST_TABLE = "trust"  # name of the table of grades, which also stands on the report's summary page

# What the layout itself says; everything else that is printed comes from the answers and the stamp.
LAYOUT = {
    "title": "What a convolutional network learned",
    "contents": "The questions",
    "headlines": "Headline numbers",
    "trust": TRUST,
    "trust_intro": (
        "A map looks convincing whether or not it shows what the network does, so the methods of this report are "
        "graded. The table of the headline numbers gives the grades, and this page says what they come to; what "
        "is measured, and the figures, stand under the questions named here. Insertion puts the pixels into a "
        "hidden image, the most important first, and deletion takes them away: a map that is right lets the "
        "probability rise early in the one and fall early in the other. A map of edges, a blob in the middle and "
        "a random order have not asked the network, so a method has to beat them. With random weights in the "
        "upper half of the network, a map that explains what was learned has to change; one that stays shows the "
        "image. Asked about another class, it has to change too. Where the data set marks which pixels make the "
        "class, the relevance has to lie there."
    ),
    "question": "Question",
    "figure": "Figure",
    "table": "Table",
    "notes": "The data",
}

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
        "{most_confused.share:.1%} of its test images",
    ),
)

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

# Captions that several notebooks share.
GRADES_CAPTION = (
    "Grades of every method: insertion (in) and deletion (out) with two substrates, their difference and how it stands "
    "to that of the edge map, over {images} test images, {wrong} of them answered wrongly; rank correlation and "
    "likeness as a picture (SSIM) with the map of the network with half-randomised weights, and rank correlation with "
    "the map of the runner-up, over {few} images; and, where the evidence is known, the three grades against it."
)
MAP_GRADES = (
    "Insertion less deletion: {scores:.2f} for {methods}, {edges:.2f} for the edge map. Rank correlation with the map "
    "of the network with half-randomised weights: {likeness:.2f}."
)
LIME_STABILITY = (
    "In the study of LIME with {copies:,} copies and {cut} superpixels asked for, two seeds' weights have a rank "
    "correlation of {correlation:.2f}, and the linear model explains {fit:.0%}."
)
