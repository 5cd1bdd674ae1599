//! Bakes: the same inputs give the same image, wherever and whenever.

use kiln_tests::{Kiln, Project};

#[test]
fn two_bakes_of_the_same_inputs_in_two_places_give_the_same_digest() {
    let bake = || {
        let kiln = Kiln::with_tiny();
        let project = Project::serving(&kiln, "hello", "hello 1\n");
        project.write(
            "kiln.toml",
            "app = \"hello\"\n[image]\nbase = \"tiny\"\n\
             run = [\"mkdir /opt /var/log && echo made > /opt/made && echo noise > /var/log/made.log\"]\n\
             copy = [{ from = \"files/\", to = \"/srv/\" }]\n\
             [process.web]\ncommand = [\"/bin/service\", \"serve\"]\nport = 8080\n",
        );
        kiln.json(["bake", "hello", "1", "--dir", project.dir()])["image"].clone()
    };
    let (here, there) = (bake(), bake());
    assert_eq!(here, there);
}

#[test]
fn a_change_of_one_file_makes_one_new_layer() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    project.write(
        "kiln.toml",
        "app = \"hello\"\n[image]\nbase = \"tiny\"\nrun = [\"echo made > /srv/made\"]\n\
         copy = [{ from = \"files/\", to = \"/srv/\" }]\n\
         [process.web]\ncommand = [\"/bin/service\", \"serve\"]\nport = 8080\n",
    );
    kiln.done(["bake", "hello", "1", "--dir", project.dir()]);
    project.says("hello 2\n");
    let baked = kiln.json(["bake", "hello", "2", "--dir", project.dir()]);
    let layers = baked["layers"].as_array().unwrap();
    let new: Vec<_> = layers.iter().filter(|layer| layer["cached"] == false).collect();
    assert_eq!((layers.len(), new.len()), (2, 1), "{baked}");
    assert_eq!(new[0]["step"], "copy");
}
