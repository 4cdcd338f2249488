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

# Captions that several notebooks share.
REGION_SOURCES = {
    "drawn": "The regions are those that the program drew, face by face.",
    "template": "The regions are one template for all images, laid on their mean.",
    "places": "Foreground is what differs in colour from the image's border by more than Otsu's threshold.",
    "superpixels": "A superpixel is named by the place of its middle and the colour that its mean is nearest to.",
}
